// All sessions read what is open, and each one speaks there under its own name. The cases are in cases.json.
//
// A prefix ends in a dot and has no empty component. So a pattern that begins with it, be it `prefix` or `wildcard`, covers
// nothing that does not.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// How long the gateway may keep an answer, in seconds. Neither the configuration nor a session's authid changes meanwhile.
const keptSeconds = 3600

// CheckConfig returns what is wrong with the configuration.
func CheckConfig(config string) []string {
	if _, err := readOpen(config); err != nil {
		return []string{err.Error()}
	}
	return nil
}

// Needed is empty: an authorizer is shown no request headers.
func Needed(config string) Needs { return Needs{} }

// Authorize answers about one action. An error denies it.
func Authorize(config string, request AuthorizationRequest) (ruling Ruling, err error) {
	// A panic that left the authorizer would be a trap, and its text lost.
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %v", fault)
		}
	}()
	open, err := readOpen(config)
	if err != nil {
		return Ruling{}, err
	}
	isOpen, isOwn := false, false
	for _, prefix := range open {
		if rest, is := strings.CutPrefix(request.URI, prefix); is {
			isOpen = true
			isOwn = isOwn || beginsWithName(rest, request.Session.Authid)
		}
	}
	if request.Action == Call || request.Action == Subscribe {
		// The answer is the same for every session of the role.
		return Ruling{Allow: isOpen, Keep: &Keeping{Seconds: keptSeconds, Scope: OfRole}}, nil
	}
	return Ruling{Allow: isOwn, Disclose: isOwn, Keep: &Keeping{Seconds: keptSeconds, Scope: OfSession}}, nil
}

// Whether the first component is this name. One with a dot could be two names, and an empty component of a wildcard stands for any.
func beginsWithName(rest, name string) bool {
	return name != "" && !strings.Contains(name, ".") && strings.HasPrefix(rest, name+".")
}

// Reads {"open": ["..."]}. The error says what to write instead.
func readOpen(config string) ([]string, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(config), &object) != nil || object == nil { // "null" fits any map
		return nil, errors.New("use a JSON object")
	}
	for key := range object {
		if key != "open" {
			return nil, fmt.Errorf("unknown key %q: this authorizer knows only \"open\"", key)
		}
	}
	value, there := object["open"]
	if !there {
		return nil, nil
	}
	var prefixes []string // an item that is null is empty
	if json.Unmarshal(value, &prefixes) != nil || prefixes == nil || !all(prefixes, isPrefix) {
		return nil, errors.New("open: use a list of prefixes that end in a dot and have no empty part, such as [\"com.example.chat.\"]")
	}
	return prefixes, nil
}

func all(texts []string, is func(string) bool) bool {
	return !slices.ContainsFunc(texts, func(text string) bool { return !is(text) })
}

// Whether a text is components, each with a dot behind it.
func isPrefix(text string) bool {
	components, endsInDot := strings.CutSuffix(text, ".")
	return endsInDot && !slices.Contains(strings.Split(components, "."), "")
}
