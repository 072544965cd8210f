package main

// The contract of `wit/policy.wit` for an authenticator in Go: the types that it works with, and below them the exports.

import (
	"structs"
	"unsafe"
)

// AuthenticationRequest is a client by a method that has this component as its authenticator.
type AuthenticationRequest struct {
	Method      string // ticket, wampcra, scram, wamp-scram, cryptosign or anonymous
	Realm       string
	Authid      *string // the one that the client claims, or that its login was under
	Credential  Credential
	Authextra   string // a JSON object
	Connection  Connection
	Cookie      *CookieRecord // nil: cookie tracking is off
	Certificate *Certificate  // nil: the client has shown none
	Roles       []string      // the realm's roles; empty if any will do
	Now         uint64        // milliseconds since 1970
}

// Credential is what a client has shown of itself: Nothing, Ticket, PublicKey or Remembered.
type Credential interface{ credential() }

type (
	Nothing    struct{}
	Ticket     string
	PublicKey  string
	Remembered struct{}
)

func (Nothing) credential()    {}
func (Ticket) credential()     {}
func (PublicKey) credential()  {}
func (Remembered) credential() {}

// Principal is under which identity the client joins. What is empty is left out.
type Principal struct{ Authid, Authrole, Realm, Authextra string }

// Secret is SharedKey, ScramCredential or PublicKeys: what the gateway verifies the client's answer against.
type Secret interface{ writeSecret(known *rawKnown) }

// SharedKey is for wampcra. Without Salting the client has the key itself.
type SharedKey struct {
	Key     string
	Salting *Salting
}

type Salting struct {
	Salt               string
	Iterations, Keylen uint32
}

// ScramCredential is for scram. Its keys are derived by PBKDF2; with Memory, by Argon2id.
type ScramCredential struct {
	Iterations, Memory         uint32
	Salt, StoredKey, ServerKey string
}

// PublicKeys are for cryptosign.
type PublicKeys []string

// Known is a principal with what proves to be it.
type Known struct {
	Principal Principal
	Secret    Secret
}

// Verdict is Accept, Known, Unknown or Deny.
type Verdict interface{ write(answer *rawAnswered) }

// Accept lets the client join: nothing is left to verify.
type Accept Principal

// Unknown knows no such principal. With Like, the challenge looks like that of this one.
type Unknown struct{ Like *Known }

// Deny refuses.
type Deny struct{ Reason, Message string }

// === memory as the canonical ABI has it ===

// More than 16 values when taken one by one, and so they come as one record.
type rawArguments struct {
	_                     structs.HostLayout
	config, method, realm rawText
	authid                rawOption[rawText]
	credential            struct {
		_    structs.HostLayout
		kind uint8
		text rawText
	}
	authextra   rawText
	connection  rawConnection
	cookie      rawOption[rawCookie]
	certificate rawOption[rawCertificate]
	roles       rawTexts
	now         uint64
}

type rawPrincipal struct {
	_                structs.HostLayout
	authid           rawOption[rawText]
	authrole         rawText
	realm, authextra rawOption[rawText]
}

type rawSalting struct {
	_                  structs.HostLayout
	salt               rawText
	iterations, keylen uint32
}

type rawSharedKey struct {
	_       structs.HostLayout
	key     rawText
	salting rawOption[rawSalting]
}

type rawScram struct {
	_                          structs.HostLayout
	derivation                 uint32
	iterations, memory         uint32
	salt, storedKey, serverKey rawText
}

type rawKnown struct {
	_         structs.HostLayout
	principal rawPrincipal
	kind      uint32
	secret    [9]uint32
}

type rawAnswered struct {
	_       structs.HostLayout
	isError bool
	kind    uint32 // of a verdict; an error's text begins here
	payload [22]uint32
}

// Beside what the canonical ABI says: one that differs does not compile.
var (
	_ [280]struct{} = [unsafe.Sizeof(rawArguments{})]struct{}{}
	_ [84]struct{}  = [unsafe.Sizeof(rawKnown{})]struct{}{}
	_ [36]struct{}  = [unsafe.Sizeof(rawScram{})]struct{}{}
	_ [96]struct{}  = [unsafe.Sizeof(rawAnswered{})]struct{}{}
)

func (principal Principal) raw() rawPrincipal {
	return rawPrincipal{
		authid:    optionOf(principal.Authid),
		authrole:  textOf(principal.Authrole),
		realm:     optionOf(principal.Realm),
		authextra: optionOf(principal.Authextra),
	}
}

func (key SharedKey) writeSecret(known *rawKnown) {
	raw := rawSharedKey{key: textOf(key.Key)}
	if salting := key.Salting; salting != nil {
		raw.salting.isSome = true
		raw.salting.value = rawSalting{salt: textOf(salting.Salt), iterations: salting.Iterations, keylen: salting.Keylen}
	}
	known.kind = 0
	*(*rawSharedKey)(unsafe.Pointer(&known.secret)) = raw
}

func (scram ScramCredential) writeSecret(known *rawKnown) {
	raw := rawScram{
		iterations: scram.Iterations,
		memory:     scram.Memory,
		salt:       textOf(scram.Salt),
		storedKey:  textOf(scram.StoredKey),
		serverKey:  textOf(scram.ServerKey),
	}
	if scram.Memory > 0 {
		raw.derivation = 1
	}
	known.kind = 1
	*(*rawScram)(unsafe.Pointer(&known.secret)) = raw
}

func (keys PublicKeys) writeSecret(known *rawKnown) {
	known.kind = 2
	*(*rawTexts)(unsafe.Pointer(&known.secret)) = textsOf(keys)
}

func (known Known) raw() rawKnown {
	raw := rawKnown{principal: known.Principal.raw()}
	known.Secret.writeSecret(&raw)
	return raw
}

func (principal Accept) write(answer *rawAnswered) {
	answer.kind = 0
	*(*rawPrincipal)(unsafe.Pointer(&answer.payload)) = Principal(principal).raw()
}

func (known Known) write(answer *rawAnswered) {
	answer.kind = 1
	*(*rawKnown)(unsafe.Pointer(&answer.payload)) = known.raw()
}

func (unknown Unknown) write(answer *rawAnswered) {
	answer.kind = 2
	if like := unknown.Like; like != nil {
		*(*rawOption[rawKnown])(unsafe.Pointer(&answer.payload)) = rawOption[rawKnown]{isSome: true, value: like.raw()}
	}
}

func (denial Deny) write(answer *rawAnswered) {
	answer.kind = 3
	*(*[2]rawText)(unsafe.Pointer(&answer.payload)) = [2]rawText{textOf(denial.Reason), textOf(denial.Message)}
}

func (raw *rawArguments) request() AuthenticationRequest {
	var credential Credential
	switch raw.credential.kind {
	case 0:
		credential = Nothing{}
	case 1:
		credential = Ticket(raw.credential.text.text())
	case 2:
		credential = PublicKey(raw.credential.text.text())
	default:
		credential = Remembered{}
	}
	return AuthenticationRequest{
		Method:      raw.method.text(),
		Realm:       raw.realm.text(),
		Authid:      optionalText(raw.authid),
		Credential:  credential,
		Authextra:   raw.authextra.text(),
		Connection:  raw.connection.connection(),
		Cookie:      optionalCookie(&raw.cookie),
		Certificate: optionalCertificate(&raw.certificate),
		Roles:       raw.roles.texts(),
		Now:         raw.now,
	}
}

// === the exports ===

var answered rawAnswered

//go:wasmexport wampgate:authid/authentication@0.3.0#check-config
func exportCheckConfig(at unsafe.Pointer, length uint32) unsafe.Pointer { return check(at, length) }

//go:wasmexport wampgate:authid/authentication@0.3.0#needs
func exportNeeds(at unsafe.Pointer, length uint32) unsafe.Pointer { return need(at, length) }

//go:wasmexport wampgate:authid/authentication@0.3.0#authenticate
func exportAuthenticate(arguments unsafe.Pointer) unsafe.Pointer {
	raw := (*rawArguments)(arguments)
	verdict, err := Authenticate(raw.config.text(), raw.request())
	answered = rawAnswered{isError: err != nil}
	if err != nil {
		*(*rawText)(unsafe.Pointer(&answered.kind)) = faultOf(err)
	} else {
		answers = append(answers, verdict)
		verdict.write(&answered)
	}
	return unsafe.Pointer(&answered)
}

//go:wasmexport cabi_post_wampgate:authid/authentication@0.3.0#check-config
func forgetCheck(unsafe.Pointer) { forget() }

//go:wasmexport cabi_post_wampgate:authid/authentication@0.3.0#needs
func forgetNeeds(unsafe.Pointer) { forget() }

//go:wasmexport cabi_post_wampgate:authid/authentication@0.3.0#authenticate
func forgetAnswer(unsafe.Pointer) { forget() }
