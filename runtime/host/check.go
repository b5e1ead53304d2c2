package host

import (
	"errors"

	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/runtime/plugin"
)

// CheckPlugins reads the plugins of a configuration, without compiling or running anything of them, and holds each against its entry and against
// the places that it is named for. The error is of type [config.Mistakes], as that of [config.Load].
func CheckPlugins(cfg *config.Config) error {
	c := checker{cfg: cfg, plugins: map[string]*plugin.Checked{}}
	for i := range cfg.Plugins {
		c.plugin(&cfg.Plugins[i])
	}
	for _, s := range cfg.Strategies {
		c.place(s.Plugin, plugin.KindStrategy, s.Pos)
	}
	for i := range cfg.Faces {
		f := &cfg.Faces[i]
		if p := c.place(f.Driver.Plugin, plugin.KindDriver, f.Pos); p != nil && p.Driver != nil {
			c.wrong(f.Pos, f.Driver.Plugin, p.Driver.Fits(f.Driver.Transport))
		}
	}
	for i := range cfg.Streams {
		c.place(cfg.Streams[i].Decoder, plugin.KindDecoder, cfg.Streams[i].Pos)
	}
	if len(c.mistakes) == 0 {
		return nil
	}
	return c.mistakes.Sorted(cfg.File)
}

type checker struct {
	cfg      *config.Config
	plugins  map[string]*plugin.Checked
	mistakes config.Mistakes
}

func (c *checker) wrong(at config.Position, name string, err error) {
	if err != nil {
		c.mistakes = append(c.mistakes, config.Mistake{File: at.File, Line: at.Line, What: "plugin \"" + name + "\": " + err.Error()})
	}
}

// plugin checks an entry of [[plugins]]. A setting is told with its own line.
func (c *checker) plugin(p *config.Plugin) {
	c.wrong(p.Pos, p.Name, trusted(c.cfg, p.Builtin != ""))
	known, list := plugin.Check(specOf(p))
	c.plugins[p.Name] = known
	for _, err := range list {
		at := p.Pos
		var setting *plugin.ConfigError
		if errors.As(err, &setting) {
			if own, ok := p.Keys[setting.Key]; ok {
				at = own
			}
		}
		c.wrong(at, p.Name, err)
	}
}

// place holds a plugin against the kind that it is named for, and gives it; nil if there is nothing to hold.
func (c *checker) place(name string, kind plugin.Kind, at config.Position) *plugin.Checked {
	p := c.plugins[name]
	if p != nil && p.Kind != kind {
		c.wrong(at, name, errors.New("it is a "+string(p.Kind)+" by its manifest, and this takes a "+string(kind)))
		return nil
	}
	return p
}
