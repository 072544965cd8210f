package main

// What components of every kind have in Go: what the gateway knows of a client, the log, and what stands between Go and the
// canonical ABI. Texts are not copied: they stay where the gateway put them.

import (
	"structs"
	"unsafe"
)

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

// Needs is what the operator has to give a component.
type Needs struct {
	Headers []string // the request headers that it looks at, in lower case
	Grants  []string // beyond those that its imports show
}

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

// Beside what the canonical ABI says: one that differs does not compile.
var (
	_ [64]struct{}  = [unsafe.Sizeof(rawConnection{})]struct{}{}
	_ [104]struct{} = [unsafe.Sizeof(rawCookie{})]struct{}{}
)

func (raw *rawConnection) connection() Connection {
	connection := Connection{
		ID:          raw.id.text(),
		Peer:        raw.peer.text(),
		TLS:         raw.tls,
		Host:        raw.host.text(),
		Path:        raw.path.text(),
		Origin:      optionalText(raw.origin),
		Subprotocol: raw.subprotocol.text(),
	}
	for _, header := range unsafe.Slice((*[2]rawText)(pointer(raw.headers.at)), raw.headers.length) {
		connection.Headers = append(connection.Headers, [2]string{header[0].text(), header[1].text()})
	}
	return connection
}

func optionalCertificate(raw *rawOption[rawCertificate]) *Certificate {
	shown := raw.present()
	if shown == nil {
		return nil
	}
	return &Certificate{Subject: shown.subject.text(), Names: shown.names.texts(), SHA256: shown.sha256.text()}
}

func optionalCookie(raw *rawOption[rawCookie]) *CookieRecord {
	cookie := raw.present()
	if cookie == nil {
		return nil
	}
	record := &CookieRecord{
		ID:          cookie.id.text(),
		PublicID:    cookie.publicID.text(),
		IsNew:       cookie.isNew,
		Created:     cookie.created,
		LastSeen:    cookie.lastSeen,
		MaxAge:      cookie.maxAge,
		Connections: cookie.connections,
	}
	if login := cookie.authentication.present(); login != nil {
		record.Authentication = &Authentication{
			Authid:     login.authid.text(),
			Authrole:   login.authrole.text(),
			Authmethod: login.authmethod.text(),
			Authrealm:  login.authrealm.text(),
			Authextra:  login.authextra.text(),
			At:         login.at,
		}
	}
	return record
}

// === what the exports of every component need ===

// What the gateway and its answer point to must not be collected before the call is over.
var (
	kept    [][]uint64
	answers []any
	checked rawChecked
	needed  rawNeeds
)

func forget() { kept, answers = nil, nil }

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

func check(at unsafe.Pointer, length uint32) unsafe.Pointer {
	errors := CheckConfig(unsafe.String((*byte)(at), length))
	checked = rawChecked{isError: len(errors) > 0, errors: textsOf(errors)}
	return unsafe.Pointer(&checked)
}

func need(at unsafe.Pointer, length uint32) unsafe.Pointer {
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

// An error's text, which is kept until the end of the call.
func faultOf(err error) rawText {
	text := err.Error()
	answers = append(answers, text)
	return textOf(text)
}

// A component has no main of its own, but Go wants one.
func main() {}
