// Only returning visitors keep their name. The cases are in cases.json.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// CheckConfig returns what is wrong with the configuration.
func CheckConfig(config string) []string {
	if _, err := closedRealms(config); err != nil {
		return []string{err.Error()}
	}
	return nil
}

// Needed names each request header that Decide looks at: the gateway then does not run the policy without it.
func Needed(config string) Needs { return Needs{} }

// Decide decides about one HELLO. An error refuses the client.
func Decide(config string, request JoinRequest) (decision Decision, err error) {
	// A panic that left the policy would be a trap, and its text lost.
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %v", fault)
		}
	}()
	closed, err := closedRealms(config)
	if err != nil {
		return nil, err
	}
	var offered []string
	if hello := request.Hello; hello != nil {
		offered = hello.Authmethods
		if hello.Realm != nil && slices.Contains(closed, *hello.Realm) {
			return Deny{"wamp.error.no_such_realm", "this realm is closed"}, nil
		}
	}
	cookie := request.Cookie
	for _, method := range offered {
		if method == "anonymous" || !slices.Contains(request.Methods, method) {
			continue
		}
		// `cookie` can vouch only for a client that has logged in with this cookie before.
		if method == "cookie" && (cookie == nil || cookie.Authentication == nil) {
			continue
		}
		return Defer(method), nil
	}
	if !includesAnonymous(request.Methods) || !includesAnonymous(offered) {
		return Deny{"wamp.error.no_auth_method", "offer a configured authentication method"}, nil
	}
	if cookie == nil || cookie.IsNew {
		return None{}, nil
	}
	return Anonymous{Authid: cookie.PublicID}, nil
}

// An empty list means "anonymous": on the configuration's side as on the client's.
func includesAnonymous(list []string) bool {
	return len(list) == 0 || slices.Contains(list, "anonymous")
}

// Reads {"closed_realms": ["..."]}. The error says what to write instead.
func closedRealms(config string) ([]string, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(config), &object) != nil || object == nil { // "null" fits any map
		return nil, errors.New("use a JSON object")
	}
	for key := range object {
		if key != "closed_realms" {
			return nil, fmt.Errorf("unknown key %q: this policy knows only \"closed_realms\"", key)
		}
	}
	value, there := object["closed_realms"]
	if !there {
		return nil, nil
	}
	var realms []*string // an item that is null stays nil
	if json.Unmarshal(value, &realms) != nil || realms == nil || slices.Contains(realms, nil) {
		return nil, errors.New("closed_realms: use a list of realms, such as [\"staff\"]")
	}
	names := make([]string, 0, len(realms))
	for _, realm := range realms {
		names = append(names, *realm)
	}
	return names, nil
}
