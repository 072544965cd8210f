package main

// The contract of `wit/policy.wit` for an authorizer in Go: the types that it works with, and below them the exports.

import (
	"structs"
	"unsafe"
)

// AuthorizationRequest is what a session wants.
type AuthorizationRequest struct {
	Session  Session
	Action   Action
	URI      string
	Matching Matching // how the URI is compared, where it is a pattern
	Options  string   // a JSON object
	Now      uint64   // milliseconds since 1970
}

type Action uint8

const (
	Call Action = iota
	Register
	Publish
	Subscribe
)

type Matching uint8

const (
	Exact Matching = iota
	Prefix
	Wildcard
)

type Session struct {
	ID, Realm                                  string
	Authid, Authrole, Authmethod, Authprovider string  // the authid as other sessions see it
	PublicID                                   *string // nil: cookie tracking is off
	Connection, Peer                           string
}

// Ruling is what an authorizer answers.
type Ruling struct {
	Allow    bool
	Disclose bool     // whether the other side learns which session acted
	Keep     *Keeping // nil: the gateway asks again
}

// Keeping is how long an answer holds, whatever the options, and for whom.
type Keeping struct {
	Seconds uint32
	Scope   Scope
}

type Scope uint8

const (
	OfSession Scope = iota
	OfRole
)

// === memory as the canonical ABI has it ===

// More than 16 values when taken one by one, and so they come as one record.
type rawArguments struct {
	_                                          structs.HostLayout
	config, id, realm                          rawText
	authid, authrole, authmethod, authprovider rawText
	publicID                                   rawOption[rawText]
	connection, peer                           rawText
	action                                     Action
	uri                                        rawText
	matching                                   Matching
	options                                    rawText
	now                                        uint64
}

type rawKeeping struct {
	_       structs.HostLayout
	seconds uint32
	scope   Scope
}

type rawRuling struct {
	_               structs.HostLayout
	allow, disclose bool
	keep            rawOption[rawKeeping]
}

type rawAnswered struct {
	_       structs.HostLayout
	isError bool
	payload [4]uint32 // a ruling, or an error's text
}

// Beside what the canonical ABI says: one that differs does not compile.
var (
	_ [120]struct{} = [unsafe.Sizeof(rawArguments{})]struct{}{}
	_ [16]struct{}  = [unsafe.Sizeof(rawRuling{})]struct{}{}
	_ [20]struct{}  = [unsafe.Sizeof(rawAnswered{})]struct{}{}
)

func (ruling Ruling) write(answer *rawAnswered) {
	raw := rawRuling{allow: ruling.Allow, disclose: ruling.Disclose}
	if keep := ruling.Keep; keep != nil {
		raw.keep.isSome = true
		raw.keep.value = rawKeeping{seconds: keep.Seconds, scope: keep.Scope}
	}
	*(*rawRuling)(unsafe.Pointer(&answer.payload)) = raw
}

func (raw *rawArguments) request() AuthorizationRequest {
	return AuthorizationRequest{
		Session: Session{
			ID:           raw.id.text(),
			Realm:        raw.realm.text(),
			Authid:       raw.authid.text(),
			Authrole:     raw.authrole.text(),
			Authmethod:   raw.authmethod.text(),
			Authprovider: raw.authprovider.text(),
			PublicID:     optionalText(raw.publicID),
			Connection:   raw.connection.text(),
			Peer:         raw.peer.text(),
		},
		Action:   raw.action,
		URI:      raw.uri.text(),
		Matching: raw.matching,
		Options:  raw.options.text(),
		Now:      raw.now,
	}
}

// === the exports ===

var answered rawAnswered

//go:wasmexport wampgate:authid/authorization@0.3.0#check-config
func exportCheckConfig(at unsafe.Pointer, length uint32) unsafe.Pointer { return check(at, length) }

//go:wasmexport wampgate:authid/authorization@0.3.0#needs
func exportNeeds(at unsafe.Pointer, length uint32) unsafe.Pointer { return need(at, length) }

//go:wasmexport wampgate:authid/authorization@0.3.0#authorize
func exportAuthorize(arguments unsafe.Pointer) unsafe.Pointer {
	raw := (*rawArguments)(arguments)
	ruling, err := Authorize(raw.config.text(), raw.request())
	answered = rawAnswered{isError: err != nil}
	if err != nil {
		*(*rawText)(unsafe.Pointer(&answered.payload)) = faultOf(err)
	} else {
		ruling.write(&answered)
	}
	return unsafe.Pointer(&answered)
}

//go:wasmexport cabi_post_wampgate:authid/authorization@0.3.0#check-config
func forgetCheck(unsafe.Pointer) { forget() }

//go:wasmexport cabi_post_wampgate:authid/authorization@0.3.0#needs
func forgetNeeds(unsafe.Pointer) { forget() }

//go:wasmexport cabi_post_wampgate:authid/authorization@0.3.0#authorize
func forgetAnswer(unsafe.Pointer) { forget() }
