package config

import (
	"slices"
	"strings"
)

// nearest gives the text of list that word was probably meant to be, or "" if none is near: at most about a third of its
// letters differ. Case, and - for _, count for nothing.
func nearest(word string, list []string) string {
	best, least := "", max(1, (len(word)+1)/3)+1
	for _, candidate := range list {
		if d := distance(folded(word), folded(candidate)); d < least && d < len(candidate) {
			best, least = candidate, d
		}
	}
	return best
}

func folded(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// distance is how many letters must be put in, taken out, replaced or swapped with their neighbour to make b of a (optimal
// string alignment). It looks at the first 64 bytes.
func distance(a, b string) int {
	const most = 64
	a, b = a[:min(len(a), most)], b[:min(len(b), most)]
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+differ(a[i], b[j]))
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

func differ(a, b byte) int {
	if a == b {
		return 0
	}
	return 1
}

// meant is the end of a sentence about a word that is not in list: what it was probably meant to be, or all there is.
func meant(word string, list []string) string {
	if near := nearest(word, list); near != "" {
		return `did you mean "` + near + `"?`
	}
	if len(list) == 1 {
		return "there is " + enumerate(list)
	}
	return "there are " + enumerate(list)
}

// enumerate lists words in quotes, in order, with commas.
func enumerate(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	list = slices.Clone(list)
	for i := range list {
		list[i] = `"` + list[i] + `"`
	}
	return strings.Join(list, ", ")
}
