package bench

import "slices"

// Table is the measurements of the whole table, each with the settings of base for how long and where.
func Table(base Options) ([]Options, error) {
	if base.Window != 0 || base.Rate != 0 || base.Names != 0 || base.Faces != 0 || base.GSO || base.To.IsValid() || base.NoRaw ||
		len(base.Durability) > 0 || base.Workers != 0 {
		return nil, usagef("the table has its own windows, rates and sides: give a scenario, one of %v", Scenarios())
	}
	strategies := base.Strategies
	if len(strategies) == 0 {
		strategies = []string{"adaptive"}
	}
	cases := []Options{
		{Scenario: Hit},
		{Scenario: Miss, Strategies: strategies},
		{Scenario: Hit, GSO: true},
		{Scenario: Miss, GSO: true, Strategies: strategies},
		{Scenario: Hit, Window: 1},
		{Scenario: Hit, Rate: 10_000},
		{Scenario: Miss, Rate: 10_000},
		{Scenario: Publish, Durability: []string{"memory", "buffered"}},
		{Scenario: Miss, Durability: []string{"memory", "buffered"}},
		{Scenario: Fanout},
		{Scenario: Mixed},
		{Scenario: Overload},
		{Scenario: Idle},
	}
	for i := range cases {
		c := &cases[i]
		c.Exe, c.Payload, c.Duration, c.Repeat = base.Exe, base.Payload, base.Duration, base.Repeat
		c.ServerCPU, c.LoadCPU, c.Progress = base.ServerCPU, base.LoadCPU, base.Progress
	}
	return slices.Clip(cases), nil
}
