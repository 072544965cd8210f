package main

// The contract of `wit/policy.wit` for a policy in Go: the types that it works with, and below them the exports.

import (
	"structs"
	"unsafe"
)

// JoinRequest is one question: a HELLO, and everything that is known about the one who sends it.
type JoinRequest struct {
	Connection  Connection
	Cookie      *CookieRecord // nil: cookie tracking is off
	Hello       *Hello        // nil: there was none
	Methods     []string      // the configured authentication methods
	Roles       []string      // the realm's roles; empty if any will do
	Now         uint64        // milliseconds since 1970
	Certificate *Certificate  // nil: the client has shown none
}

type Hello struct {
	Realm            *string
	Authmethods      []string
	Authid, Authrole *string
	Authextra        string
}

// Decision is Anonymous, None, Defer, Deny or DeferAs.
type Decision interface{ write(answer *rawDecided) }

// Anonymous joins without credentials. What is empty is left out.
type Anonymous struct{ Authid, Authrole, Authextra string }

// None assigns nothing.
type None struct{}

// Defer leaves it to an authentication method.
type Defer string

// DeferAs leaves it to an authentication method, and gives the client a role.
type DeferAs struct{ Method, Authrole string }

// Deny refuses.
type Deny struct{ Reason, Message string }

// === memory as the canonical ABI has it ===

type rawHello struct {
	_                structs.HostLayout
	realm            rawOption[rawText]
	authmethods      rawTexts
	authid, authrole rawOption[rawText]
	authextra        rawText
}

// More than 16 values when taken one by one, and so they come as one record.
type rawArguments struct {
	_          structs.HostLayout
	config     rawText
	connection rawConnection
	cookie     rawOption[rawCookie]
	hello      rawOption[rawHello]
	methods    rawTexts
	roles      rawTexts
	now        uint64

	certificate rawOption[rawCertificate]
}

type rawDecided struct {
	_       structs.HostLayout
	isError bool
	kind    uint32 // of a decision; an error's text begins here
	payload [9]uint32
}

// Beside what the canonical ABI says: one that differs does not compile.
var (
	_ [296]struct{} = [unsafe.Sizeof(rawArguments{})]struct{}{}
	_ [44]struct{}  = [unsafe.Sizeof(rawDecided{})]struct{}{}
)

func (identity Anonymous) write(answer *rawDecided) {
	answer.kind = 0
	*(*[3]rawOption[rawText])(unsafe.Pointer(&answer.payload)) = [3]rawOption[rawText]{
		optionOf(identity.Authid), optionOf(identity.Authrole), optionOf(identity.Authextra),
	}
}

func (None) write(answer *rawDecided) { answer.kind = 1 }

func (method Defer) write(answer *rawDecided) {
	answer.kind = 2
	*(*rawText)(unsafe.Pointer(&answer.payload)) = textOf(string(method))
}

func (denial Deny) write(answer *rawDecided) {
	answer.kind = 3
	*(*[2]rawText)(unsafe.Pointer(&answer.payload)) = [2]rawText{textOf(denial.Reason), textOf(denial.Message)}
}

func (deferral DeferAs) write(answer *rawDecided) {
	answer.kind = 4
	*(*[2]rawText)(unsafe.Pointer(&answer.payload)) = [2]rawText{textOf(deferral.Method), textOf(deferral.Authrole)}
}

func (raw *rawArguments) request() JoinRequest {
	request := JoinRequest{
		Connection:  raw.connection.connection(),
		Cookie:      optionalCookie(&raw.cookie),
		Methods:     raw.methods.texts(),
		Roles:       raw.roles.texts(),
		Now:         raw.now,
		Certificate: optionalCertificate(&raw.certificate),
	}
	if hello := raw.hello.present(); hello != nil {
		request.Hello = &Hello{
			Realm:       optionalText(hello.realm),
			Authmethods: hello.authmethods.texts(),
			Authid:      optionalText(hello.authid),
			Authrole:    optionalText(hello.authrole),
			Authextra:   hello.authextra.text(),
		}
	}
	return request
}

// === the exports ===

var decided rawDecided

//go:wasmexport wampgate:authid/policy@0.3.0#check-config
func exportCheckConfig(at unsafe.Pointer, length uint32) unsafe.Pointer { return check(at, length) }

//go:wasmexport wampgate:authid/policy@0.3.0#needs
func exportNeeds(at unsafe.Pointer, length uint32) unsafe.Pointer { return need(at, length) }

//go:wasmexport wampgate:authid/policy@0.3.0#decide
func exportDecide(arguments unsafe.Pointer) unsafe.Pointer {
	raw := (*rawArguments)(arguments)
	decision, err := Decide(raw.config.text(), raw.request())
	decided = rawDecided{isError: err != nil}
	if err != nil {
		*(*rawText)(unsafe.Pointer(&decided.kind)) = faultOf(err)
	} else {
		answers = append(answers, decision)
		decision.write(&decided)
	}
	return unsafe.Pointer(&decided)
}

//go:wasmexport cabi_post_wampgate:authid/policy@0.3.0#check-config
func forgetCheck(unsafe.Pointer) { forget() }

//go:wasmexport cabi_post_wampgate:authid/policy@0.3.0#needs
func forgetNeeds(unsafe.Pointer) { forget() }

//go:wasmexport cabi_post_wampgate:authid/policy@0.3.0#decide
func forgetAnswer(unsafe.Pointer) { forget() }
