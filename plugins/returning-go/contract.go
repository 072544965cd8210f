package main

// The contract of `wit/policy.wit` in Go: the types that a policy works with, and below them what stands between these
// and the canonical ABI. Texts are not copied: they stay where the gateway put them.

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

type Certificate struct {
	Subject string
	Names   []string
	SHA256  string
}

type Connection struct {
	ID, Peer    string
	TLS         bool
	Host, Path  string
	Origin      *string
	Subprotocol string
	Headers     [][2]string
}

type CookieRecord struct {
	ID, PublicID        string
	IsNew               bool
	Created, LastSeen   uint64
	MaxAge, Connections uint32
	Authentication      *Authentication
}

type Authentication struct {
	Authid, Authrole, Authmethod, Authrealm, Authextra string
	At                                                 uint64
}

type Hello struct {
	Realm            *string
	Authmethods      []string
	Authid, Authrole *string
	Authextra        string
}

// Needs is what the operator has to give a policy.
type Needs struct {
	Headers []string // the request headers that it looks at, in lower case
	Grants  []string // beyond those that its imports show
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

const (
	Debug uint32 = iota
	Info
	Warn
	Error
)

// Log writes a line into the gateway's log. The level is Debug, Info, Warn or Error.
func Log(level uint32, message string) {
	logLine(level, unsafe.Pointer(unsafe.StringData(message)), uint32(len(message)))
}

//go:wasmimport wampgate:authid/log@0.3.0 log
func logLine(level uint32, at unsafe.Pointer, length uint32)

// === memory as the canonical ABI has it ===

type rawText struct {
	_          structs.HostLayout
	at, length uint32
}

func (raw rawText) text() string {
	return unsafe.String((*byte)(pointer(raw.at)), raw.length)
}

func textOf(text string) rawText {
	if text == "" {
		return rawText{}
	}
	return rawText{at: address(unsafe.Pointer(unsafe.StringData(text))), length: uint32(len(text))}
}

type rawTexts struct {
	_          structs.HostLayout
	at, length uint32
}

func (raw rawTexts) texts() []string {
	list := make([]string, 0, raw.length)
	for _, item := range unsafe.Slice((*rawText)(pointer(raw.at)), raw.length) {
		list = append(list, item.text())
	}
	return list
}

type rawOption[T any] struct {
	_      structs.HostLayout
	isSome bool
	value  T
}

func (raw rawOption[T]) present() *T {
	if !raw.isSome {
		return nil
	}
	return &raw.value
}

func optionalText(raw rawOption[rawText]) *string {
	if !raw.isSome {
		return nil
	}
	text := raw.value.text()
	return &text
}

func optionOf(text string) rawOption[rawText] {
	return rawOption[rawText]{isSome: text != "", value: textOf(text)}
}

type rawAuthentication struct {
	_                                                  structs.HostLayout
	authid, authrole, authmethod, authrealm, authextra rawText
	at                                                 uint64
}

type rawCookie struct {
	_                   structs.HostLayout
	id, publicID        rawText
	isNew               bool
	created, lastSeen   uint64
	maxAge, connections uint32
	authentication      rawOption[rawAuthentication]
}

type rawConnection struct {
	_           structs.HostLayout
	id, peer    rawText
	tls         bool
	host, path  rawText
	origin      rawOption[rawText]
	subprotocol rawText
	headers     struct {
		_          structs.HostLayout
		at, length uint32
	}
}

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

type rawCertificate struct {
	_       structs.HostLayout
	subject rawText
	names   rawTexts
	sha256  rawText
}

type rawChecked struct {
	_       structs.HostLayout
	isError bool
	errors  rawTexts
}

type rawNeeds struct {
	_               structs.HostLayout
	headers, grants rawTexts
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
		Connection: Connection{
			ID:          raw.connection.id.text(),
			Peer:        raw.connection.peer.text(),
			TLS:         raw.connection.tls,
			Host:        raw.connection.host.text(),
			Path:        raw.connection.path.text(),
			Origin:      optionalText(raw.connection.origin),
			Subprotocol: raw.connection.subprotocol.text(),
		},
		Methods: raw.methods.texts(),
		Roles:   raw.roles.texts(),
		Now:     raw.now,
	}
	headers := raw.connection.headers
	for _, header := range unsafe.Slice((*[2]rawText)(pointer(headers.at)), headers.length) {
		request.Connection.Headers = append(request.Connection.Headers, [2]string{header[0].text(), header[1].text()})
	}
	if shown := raw.certificate.present(); shown != nil {
		request.Certificate = &Certificate{
			Subject: shown.subject.text(),
			Names:   shown.names.texts(),
			SHA256:  shown.sha256.text(),
		}
	}
	if cookie := raw.cookie.present(); cookie != nil {
		request.Cookie = &CookieRecord{
			ID:          cookie.id.text(),
			PublicID:    cookie.publicID.text(),
			IsNew:       cookie.isNew,
			Created:     cookie.created,
			LastSeen:    cookie.lastSeen,
			MaxAge:      cookie.maxAge,
			Connections: cookie.connections,
		}
		if login := cookie.authentication.present(); login != nil {
			request.Cookie.Authentication = &Authentication{
				Authid:     login.authid.text(),
				Authrole:   login.authrole.text(),
				Authmethod: login.authmethod.text(),
				Authrealm:  login.authrealm.text(),
				Authextra:  login.authextra.text(),
				At:         login.at,
			}
		}
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

// What the gateway and its answer point to must not be collected before the call is over.
var (
	kept    [][]uint64
	answers []any
	checked rawChecked
	needed  rawNeeds
	decided rawDecided
)

// An address of the 32-bit memory as one of Go's pointers, and back. The detour keeps vet from taking it for arithmetic.
func pointer(address uint32) unsafe.Pointer {
	wide := uintptr(address)
	return *(*unsafe.Pointer)(unsafe.Pointer(&wide))
}

func address(at unsafe.Pointer) uint32 { return uint32(uintptr(at)) }

//go:wasmexport cabi_realloc
func reallocate(old unsafe.Pointer, oldBytes, _, bytes uint32) unsafe.Pointer {
	// Whole words are aligned for everything that the contract has.
	words := make([]uint64, (bytes+7)/8+1)
	kept = append(kept, words)
	at := unsafe.Pointer(unsafe.SliceData(words))
	copy(unsafe.Slice((*byte)(at), bytes), unsafe.Slice((*byte)(old), oldBytes))
	return at
}

//go:wasmexport wampgate:authid/policy@0.3.0#check-config
func exportCheckConfig(at unsafe.Pointer, length uint32) unsafe.Pointer {
	errors := CheckConfig(unsafe.String((*byte)(at), length))
	checked.isError = len(errors) > 0
	checked.errors = textsOf(errors)
	return unsafe.Pointer(&checked)
}

//go:wasmexport wampgate:authid/policy@0.3.0#needs
func exportNeeds(at unsafe.Pointer, length uint32) unsafe.Pointer {
	needs := Needed(unsafe.String((*byte)(at), length))
	needed = rawNeeds{headers: textsOf(needs.Headers), grants: textsOf(needs.Grants)}
	return unsafe.Pointer(&needed)
}

// A list for the gateway, which is kept until the end of the call.
func textsOf(list []string) rawTexts {
	texts := make([]rawText, len(list)+1)
	for i, text := range list {
		texts[i] = textOf(text)
	}
	answers = append(answers, list, texts)
	return rawTexts{at: address(unsafe.Pointer(unsafe.SliceData(texts))), length: uint32(len(list))}
}

//go:wasmexport wampgate:authid/policy@0.3.0#decide
func exportDecide(arguments unsafe.Pointer) unsafe.Pointer {
	raw := (*rawArguments)(arguments)
	decision, err := Decide(raw.config.text(), raw.request())
	decided = rawDecided{isError: err != nil}
	if err != nil {
		text := err.Error()
		answers = append(answers, text)
		*(*rawText)(unsafe.Pointer(&decided.kind)) = textOf(text)
	} else {
		answers = append(answers, decision)
		decision.write(&decided)
	}
	return unsafe.Pointer(&decided)
}

//go:wasmexport cabi_post_wampgate:authid/policy@0.3.0#check-config
func forgetCheck(unsafe.Pointer) { kept, answers = nil, nil }

//go:wasmexport cabi_post_wampgate:authid/policy@0.3.0#needs
func forgetNeeds(unsafe.Pointer) { kept, answers = nil, nil }

//go:wasmexport cabi_post_wampgate:authid/policy@0.3.0#decide
func forgetDecision(unsafe.Pointer) { kept, answers = nil, nil }

// A policy has no main of its own, but Go wants one.
func main() {}
