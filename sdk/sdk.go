// Package sdk holds the guest SDK and the plugins that a new one begins as, as files: so that `zmesh plugin new` writes a folder that
// builds without a network and without this repository.
//
// The templates are plugins that are built and tested where they lie. The package knows nothing of what is done with the files;
// runtime/plugin/scaffold writes them.
package sdk

import "embed"

// Files are guest (the SDK with its tests), template (a folder for each kind) and the licence of both.
//
//go:embed guest template LICENSE
var Files embed.FS
