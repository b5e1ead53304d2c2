// Package name owns Content Names: their two makings (hashed and hierarchical, P-14), the deployment's table of
// levels, URIs in both directions, the classes of byte 0, wildcards (P-5) and prefixes.
//
// It knows nothing of frames, tables or faces. All values are small and comparable, so tables use them as keys;
// [Key] puts the index of the network beside the name, because equal names of two networks are two contents (P-19).
package name
