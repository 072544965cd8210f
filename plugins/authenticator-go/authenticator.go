// Clients whose name and ticket stand in the configuration are members. The cases are in cases.json.
package main

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
)

// The role of all members: the realm must have it.
const role = "member"

// The shortest ticket, in bytes: none that is shorter stands against guesses.
const shortest = 16

// CheckConfig returns what is wrong with the configuration.
func CheckConfig(config string) []string {
	if _, err := readTickets(config); err != nil {
		return []string{err.Error()}
	}
	return nil
}

// Needed names each request header that Authenticate looks at: the gateway then does not run the authenticator without it.
func Needed(config string) Needs { return Needs{} }

// Authenticate answers about one client. An error refuses the client.
func Authenticate(config string, request AuthenticationRequest) (verdict Verdict, err error) {
	// A panic that left the authenticator would be a trap, and its text lost.
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %v", fault)
		}
	}()
	tickets, err := readTickets(config)
	if err != nil {
		return nil, err
	}
	if request.Method != "ticket" && request.Method != "wampcra" {
		return nil, fmt.Errorf("it knows principals of `ticket` and `wampcra`, and not of `%s`", request.Method)
	}
	ticket, isMember := "", false
	if request.Authid != nil {
		ticket, isMember = tickets[*request.Authid]
	}
	switch shown := request.Credential.(type) {
	case Nothing:
		if request.Method != "wampcra" {
			break
		}
		if isMember {
			return known(ticket), nil
		}
		// The challenge must not tell which names have a ticket. Nothing opens a session with this one.
		like := known("unknown")
		return Unknown{Like: &like}, nil
	case Ticket:
		// In a time that does not tell how much of the ticket is right.
		if isMember && subtle.ConstantTimeCompare([]byte(shown), []byte(ticket)) == 1 {
			return Accept(member()), nil
		}
	case Remembered:
		if isMember {
			return Accept(member()), nil
		}
	}
	return Unknown{}, nil
}

// A member joins under the name that it claims.
func member() Principal { return Principal{Authrole: role} }

func known(ticket string) Known {
	return Known{Principal: member(), Secret: SharedKey{Key: ticket}}
}

// Reads {"tickets": {"name": "ticket"}}. The error says what to write instead.
func readTickets(config string) (map[string]string, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(config), &object) != nil || object == nil { // "null" fits any map
		return nil, errors.New("use a JSON object")
	}
	for key := range object {
		if key != "tickets" {
			return nil, fmt.Errorf("unknown key %q: this authenticator knows only \"tickets\"", key)
		}
	}
	value, there := object["tickets"]
	if !there {
		return nil, nil
	}
	var tickets map[string]string
	isRead := json.Unmarshal(value, &tickets) == nil && tickets != nil
	for _, ticket := range tickets { // one that is null is empty
		isRead = isRead && len(ticket) >= shortest
	}
	if !isRead {
		return nil, fmt.Errorf("tickets: use an object of names, each with a ticket of %d characters or more, "+
			"such as {\"ann\": \"q7ZrT2m9wXcK4vLb\"}", shortest)
	}
	return tickets, nil
}
