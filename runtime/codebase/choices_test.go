package codebase

import (
	"fmt"
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

// pending lists the choices P-n that are not in the code or have no test yet, each with what it waits for. It only gets
// shorter: a choice that is there and still on the list fails the test too.
var pending = map[string]string{}

// choices are the numbers of the protocol's choices: 1 to 24, where 2 is 2a and 2b.
func choices() []string {
	list := []string{"1", "2a", "2b"}
	for i := 3; i <= 24; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

// Every choice where the protocol's record is silent has its number in a comment of the code that makes it, and a test that
// carries it, so that it can be found and changed the day the real rule is published.
func TestEveryChoiceHasItsPlaceAndItsTest(t *testing.T) {
	placed, tested := placesAndTests(sources(t))
	for _, n := range choices() {
		why, waits := pending[n]
		switch there := placed[n] && tested[n]; {
		case waits && there:
			t.Errorf("P-%s is in the code and tested: take it off the pending list (%s)", n, why)
		case !waits && !placed[n]:
			t.Errorf("P-%s is in no comment of core/, faces/ or sdk/", n)
		case !waits && !tested[n]:
			t.Errorf("no test is named TestP%s…", n)
		}
	}
	for n := range pending {
		if !strings.Contains(" "+strings.Join(choices(), " ")+" ", " "+n+" ") {
			t.Errorf("P-%s is on the pending list and is no choice", n)
		}
	}
}

var numbers = regexp.MustCompile(`\bP-(\d+[ab]?)\b`)

// placesAndTests finds the numbers in comments of code and in names of tests.
func placesAndTests(list []*source) (placed, tested map[string]bool) {
	placed, tested = map[string]bool{}, map[string]bool{}
	for _, s := range list {
		switch room := s.room(); {
		case s.test:
			for _, n := range numbersOfTests(s.ast) {
				tested[n] = true
			}
		case room == "core" || room == "faces" || room == "sdk":
			for _, group := range s.ast.Comments {
				for _, m := range numbers.FindAllStringSubmatch(group.Text(), -1) {
					placed[m[1]] = true
				}
			}
		}
	}
	return placed, tested
}

// numbersOfTests reads the numbers from the names of a file's tests.
func numbersOfTests(f *ast.File) (list []string) {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			list = append(list, numbersOfTest(fn.Name.Name)...)
		}
	}
	return list
}

var testNumber = regexp.MustCompile(`^P(\d+[ab]?)`)

// numbersOfTest reads TestP16…, TestP2a… and TestP3P4….
func numbersOfTest(name string) (list []string) {
	rest, ok := strings.CutPrefix(name, "Test")
	for m := testNumber.FindStringSubmatch(rest); ok && m != nil; m = testNumber.FindStringSubmatch(rest) {
		list = append(list, m[1])
		rest = rest[len(m[0]):]
	}
	return list
}

func TestNumbersOfTests(t *testing.T) {
	for name, want := range map[string]string{
		"TestP16Renewal": "[16]", "TestP2aRetry": "[2a]", "TestP3P4Payload": "[3 4]", "TestParse": "[]", "P16": "[]", "TestPrefixP16": "[]",
	} {
		if got := fmt.Sprint(numbersOfTest(name)); got != want {
			t.Errorf("%s is about %s, want %s", name, got, want)
		}
	}
}
