;; Clients whose name and ticket stand in the configuration are members: a whole component as text. The cases are in cases.json.
;;
;; Offsets follow the canonical ABI, which lays out records as C does in a 32-bit memory. Of `authenticate`'s arguments:
;;   0 config   8 method   24 authid?   28 authid   36 credential (0 none, 1 ticket, 2 public-key, 3 remembered)   40 its text
;; Of its answer: 0 is it an error?   4 the verdict (0 accept, 1 secret, 2 unknown, 3 deny), or the error   8 a principal or a known
;;   one, of which unknown has an option: 8 is there one?   12 the known one
;; Of a principal: 12 authrole. Of a known one behind it: 44 the secret (0 wampcra)   48 the key   56 salting?
;; Memory: 0 the answer, 104 the one error of check-config, 112 the texts, 1024 what the host hands in.
(component
  (import "wampgate:authid/types@0.3.0" (instance $types
    (type $text (option string)) (type $texts (list string)) (type $headers (list (tuple string string)))
    (type $a (record (field "authid" string) (field "authrole" string) (field "authmethod" string)
      (field "authrealm" string) (field "authextra" string) (field "at" u64)))
    (export "authentication" (type $authentication (eq $a)))
    (type $authentication? (option $authentication))
    (type $c (record (field "id" string) (field "public-id" string) (field "is-new" bool) (field "created" u64)
      (field "last-seen" u64) (field "max-age" u32) (field "connections" u32)
      (field "authentication" $authentication?)))
    (export "cookie-record" (type $cookie (eq $c)))
    (type $n (record (field "id" string) (field "peer" string) (field "tls" bool) (field "host" string)
      (field "path" string) (field "origin" $text) (field "subprotocol" string) (field "headers" $headers)))
    (export "connection" (type $connection (eq $n)))
    (type $d (record (field "reason" string) (field "message" string)))
    (export "denial" (type $denial (eq $d)))
    (type $t (record (field "subject" string) (field "names" $texts) (field "sha256" string)))
    (export "certificate" (type $certificate (eq $t)))
    (type $s (record (field "headers" $texts) (field "grants" $texts)))
    (export "requirements" (type $requirements (eq $s)))))
  (alias export $types "connection" (type $connection))
  (alias export $types "cookie-record" (type $cookie))
  (alias export $types "certificate" (type $certificate))
  (alias export $types "denial" (type $denial))
  (alias export $types "requirements" (type $requirements))

  (core module $heap
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 1024))
    ;; Nothing is freed piece by piece; `forget` drops all of it after a call.
    (func (export "realloc") (param $old i32) (param $was i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32) (local $end i32) (local $lack i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
                              (i32.sub (i32.const 0) (local.get $align))))
      (local.set $end (i32.add (local.get $at) (local.get $size)))
      (if (i32.lt_u (local.get $end) (local.get $at)) (then unreachable))
      (local.set $lack (i32.sub (i32.add (i32.shr_u (local.get $end) (i32.const 16)) (i32.const 1)) (memory.size)))
      (if (i32.gt_s (local.get $lack) (i32.const 0))
        (then (if (i32.eq (memory.grow (local.get $lack)) (i32.const -1)) (then unreachable))))
      (global.set $top (local.get $end))
      (memory.copy (local.get $at) (local.get $old)
        (select (local.get $was) (local.get $size) (i32.lt_u (local.get $was) (local.get $size))))
      (local.get $at))
    (func (export "forget") (param i32) (global.set $top (i32.const 1024))))
  (core instance $heap (instantiate $heap))
  (alias core export $heap "memory" (core memory $memory))
  (alias core export $heap "realloc" (core func $realloc))
  (alias core export $heap "forget" (core func $forget))

  (core module $authenticator
    (import "heap" "memory" (memory 1))
    (data (i32.const 112) "tickets")
    (data (i32.const 128) "ticket")
    (data (i32.const 144) "wampcra")
    (data (i32.const 160) "member")
    (data (i32.const 176) "unknown")
    (data (i32.const 192) "use a JSON object")
    (data (i32.const 224) "unknown key: this authenticator knows only \"tickets\"")
    (data (i32.const 288) "tickets: use an object of names, each with a ticket of 16 characters or more, such as {\"ann\": \"q7ZrT2m9wXcK4vLb\"}, without escapes")
    (data (i32.const 432) "it knows principals of `ticket` and `wampcra`, and of no other method")

    ;; === texts ===

    (func $same (param $a i32) (param $a-length i32) (param $b i32) (param $b-length i32) (result i32)
      (if (i32.ne (local.get $a-length) (local.get $b-length)) (then (return (i32.const 0))))
      (loop $next
        (if (i32.eqz (local.get $a-length)) (then (return (i32.const 1))))
        (local.set $a-length (i32.sub (local.get $a-length) (i32.const 1)))
        (br_if $next (i32.eq (i32.load8_u (i32.add (local.get $a) (local.get $a-length)))
                             (i32.load8_u (i32.add (local.get $b) (local.get $a-length))))))
      (i32.const 0))
    ;; The same, in a time that does not tell how much of them is.
    (func $same-secret (param $a i32) (param $a-length i32) (param $b i32) (param $b-length i32) (result i32)
      (local $differences i32)
      (if (i32.ne (local.get $a-length) (local.get $b-length)) (then (return (i32.const 0))))
      (loop $next
        (if (i32.eqz (local.get $a-length)) (then (return (i32.eqz (local.get $differences)))))
        (local.set $a-length (i32.sub (local.get $a-length) (i32.const 1)))
        (local.set $differences (i32.or (local.get $differences)
          (i32.xor (i32.load8_u (i32.add (local.get $a) (local.get $a-length)))
                   (i32.load8_u (i32.add (local.get $b) (local.get $a-length))))))
        (br $next))
      unreachable)

    ;; === the configuration: {"tickets": {"name": "ticket"}} ===

    ;; What is still to be read, and the string that was read last.
    (global $at (mut i32) (i32.const 0))
    (global $end (mut i32) (i32.const 0))
    (global $string (mut i32) (i32.const 0))
    (global $length (mut i32) (i32.const 0))
    ;; The ticket of the name that was looked for, of length 0 where it has none.
    (global $ticket (mut i32) (i32.const 0))
    (global $ticket-length (mut i32) (i32.const 0))

    (func $take (param $sign i32) (result i32)
      (local $byte i32)
      (loop $blank
        (if (i32.ge_u (global.get $at) (global.get $end)) (then (return (i32.const 0))))
        (local.set $byte (i32.load8_u (global.get $at)))
        (if (i32.le_u (local.get $byte) (i32.const 32))
          (then (global.set $at (i32.add (global.get $at) (i32.const 1))) (br $blank))))
      (if (i32.ne (local.get $byte) (local.get $sign)) (then (return (i32.const 0))))
      (global.set $at (i32.add (global.get $at) (i32.const 1)))
      (i32.const 1))
    ;; What is read needs no escapes.
    (func $take-string (result i32)
      (local $byte i32)
      (if (i32.eqz (call $take (i32.const 34))) (then (return (i32.const 0))))
      (global.set $string (global.get $at))
      (loop $next
        (if (i32.ge_u (global.get $at) (global.get $end)) (then (return (i32.const 0))))
        (local.set $byte (i32.load8_u (global.get $at)))
        (if (i32.eq (local.get $byte) (i32.const 92)) (then (return (i32.const 0))))
        (global.set $at (i32.add (global.get $at) (i32.const 1)))
        (br_if $next (i32.ne (local.get $byte) (i32.const 34))))
      (global.set $length (i32.sub (i32.sub (global.get $at) (global.get $string)) (i32.const 1)))
      (i32.const 1))
    ;; The fault's text, of length 0 where there is none. It sets $ticket to that of a name.
    (func $read-config (param $config i32) (param $size i32) (param $name i32) (param $name-length i32) (result i32 i32)
      (local $is-wanted i32)
      (global.set $at (local.get $config))
      (global.set $end (i32.add (local.get $config) (local.get $size)))
      (global.set $ticket-length (i32.const 0))
      (if (i32.eqz (call $take (i32.const 123))) (then (return (i32.const 192) (i32.const 17))))            ;; {
      (if (call $take (i32.const 125)) (then (return (i32.const 0) (i32.const 0))))                        ;; }
      (loop $key
        (if (i32.eqz (call $take-string)) (then (return (i32.const 192) (i32.const 17))))
        (if (i32.eqz (call $same (global.get $string) (global.get $length) (i32.const 112) (i32.const 7)))
          (then (return (i32.const 224) (i32.const 52))))
        (if (i32.eqz (call $take (i32.const 58))) (then (return (i32.const 192) (i32.const 17))))           ;; :
        (if (i32.eqz (call $take (i32.const 123))) (then (return (i32.const 288) (i32.const 130))))         ;; {
        (if (i32.eqz (call $take (i32.const 125)))                                                         ;; }
          (then
            (loop $member
              (if (i32.eqz (call $take-string)) (then (return (i32.const 288) (i32.const 130))))
              (local.set $is-wanted
                (call $same (global.get $string) (global.get $length) (local.get $name) (local.get $name-length)))
              (if (i32.eqz (call $take (i32.const 58))) (then (return (i32.const 288) (i32.const 130))))    ;; :
              (if (i32.eqz (call $take-string)) (then (return (i32.const 288) (i32.const 130))))
              ;; None that is shorter stands against guesses.
              (if (i32.lt_u (global.get $length) (i32.const 16)) (then (return (i32.const 288) (i32.const 130))))
              (if (local.get $is-wanted)
                (then
                  (global.set $ticket (global.get $string))
                  (global.set $ticket-length (global.get $length))))
              (br_if $member (call $take (i32.const 44))))                                                 ;; ,
            (if (i32.eqz (call $take (i32.const 125))) (then (return (i32.const 288) (i32.const 130))))))
        (br_if $key (call $take (i32.const 44))))
      (if (i32.eqz (call $take (i32.const 125))) (then (return (i32.const 192) (i32.const 17))))
      (i32.const 0) (i32.const 0))

    (func (export "check-config") (param $config i32) (param $size i32) (result i32)
      (local $fault i32) (local $fault-length i32)
      (call $read-config (local.get $config) (local.get $size) (i32.const 0) (i32.const -1))               ;; -1: no name is so long
      (local.set $fault-length) (local.set $fault)
      (i32.store8 (i32.const 0) (i32.ne (local.get $fault-length) (i32.const 0)))
      (call $put (i32.const 4) (i32.const 104) (i32.const 1))                                              ;; a list of one text
      (call $put (i32.const 104) (local.get $fault) (local.get $fault-length))
      (i32.const 0))

    ;; Two empty lists: it looks at no headers.
    (func (export "needs") (param $config i32) (param $size i32) (result i32)
      (memory.fill (i32.const 0) (i32.const 0) (i32.const 16))
      (i32.const 0))

    ;; === the answer ===

    (func $put (param $field i32) (param $at i32) (param $length i32)
      (i32.store (local.get $field) (local.get $at))
      (i32.store offset=4 (local.get $field) (local.get $length)))
    (func $error (param $at i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 0) (i32.const 1))
      (call $put (i32.const 4) (local.get $at) (local.get $length))
      (i32.const 0))
    ;; A member joins under the name that it claims, and with this role, which the realm must have.
    (func $put-member (param $principal i32)
      (call $put (i32.add (local.get $principal) (i32.const 12)) (i32.const 160) (i32.const 6)))
    (func $put-known (param $known i32) (param $ticket i32) (param $length i32)
      (call $put-member (local.get $known))
      (call $put (i32.add (local.get $known) (i32.const 48)) (local.get $ticket) (local.get $length)))

    (func (export "authenticate") (param $p i32) (result i32)
      (local $method i32) (local $method-length i32) (local $is-wampcra i32) (local $credential i32) (local $is-right i32)
      (local $fault i32) (local $fault-length i32)
      (memory.fill (i32.const 0) (i32.const 0) (i32.const 96))                                             ;; ok(accept), nothing in it
      (call $read-config (i32.load (local.get $p)) (i32.load offset=4 (local.get $p)) (i32.load offset=28 (local.get $p))
        (select (i32.load offset=32 (local.get $p)) (i32.const -1) (i32.load8_u offset=24 (local.get $p))))
      (local.set $fault-length) (local.set $fault)
      (if (local.get $fault-length) (then (return (call $error (local.get $fault) (local.get $fault-length)))))

      (local.set $method (i32.load offset=8 (local.get $p)))
      (local.set $method-length (i32.load offset=12 (local.get $p)))
      (local.set $is-wampcra (call $same (local.get $method) (local.get $method-length) (i32.const 144) (i32.const 7)))
      (if (i32.eqz (i32.or (local.get $is-wampcra)
            (call $same (local.get $method) (local.get $method-length) (i32.const 128) (i32.const 6))))
        (then (return (call $error (i32.const 432) (i32.const 69)))))

      (local.set $credential (i32.load8_u offset=36 (local.get $p)))
      (if (i32.and (local.get $is-wampcra) (i32.eqz (local.get $credential)))
        (then
          (if (global.get $ticket-length)
            (then
              (i32.store8 (i32.const 4) (i32.const 1))                                                     ;; secret
              (call $put-known (i32.const 8) (global.get $ticket) (global.get $ticket-length)))
            (else
              ;; The challenge must not tell which names have a ticket. Nothing opens a session with this one.
              (i32.store8 (i32.const 4) (i32.const 2))                                                     ;; unknown
              (i32.store8 (i32.const 8) (i32.const 1))                                                     ;; like
              (call $put-known (i32.const 12) (i32.const 176) (i32.const 7))))
          (return (i32.const 0))))

      (local.set $is-right (i32.eq (local.get $credential) (i32.const 3)))                                 ;; remembered
      (if (i32.eq (local.get $credential) (i32.const 1))                                                   ;; ticket
        (then (local.set $is-right (call $same-secret
          (i32.load offset=40 (local.get $p)) (i32.load offset=44 (local.get $p))
          (global.get $ticket) (global.get $ticket-length)))))
      (if (i32.and (local.get $is-right) (i32.ne (global.get $ticket-length) (i32.const 0)))
        (then (call $put-member (i32.const 8)))
        (else (i32.store8 (i32.const 4) (i32.const 2))))                                                   ;; unknown, like none
      (i32.const 0)))
  (core instance $authenticator (instantiate $authenticator (with "heap" (instance (export "memory" (memory $memory))))))

  (alias core export $authenticator "check-config" (core func $check-config))
  (alias core export $authenticator "needs" (core func $needs))
  (alias core export $authenticator "authenticate" (core func $authenticate))
  (type $text (option string)) (type $texts (list string))
  (type $credential (variant (case "none") (case "ticket" string) (case "public-key" string) (case "remembered")))
  (type $cookie? (option $cookie))
  (type $certificate? (option $certificate))
  (type $request (record (field "method" string) (field "realm" string) (field "authid" $text) (field "credential" $credential)
    (field "authextra" string) (field "connection" $connection) (field "cookie" $cookie?) (field "certificate" $certificate?)
    (field "roles" $texts) (field "now" u64)))
  (type $principal (record (field "authid" $text) (field "authrole" string) (field "realm" $text) (field "authextra" $text)))
  (type $salting (record (field "salt" string) (field "iterations" u32) (field "keylen" u32)))
  (type $salting? (option $salting))
  (type $shared-key (record (field "key" string) (field "salting" $salting?)))
  (type $argon2id (record (field "iterations" u32) (field "memory" u32)))
  (type $derivation (variant (case "pbkdf2" u32) (case "argon2id13" $argon2id)))
  (type $scram (record (field "kdf" $derivation) (field "salt" string) (field "stored-key" string) (field "server-key" string)))
  (type $secret (variant (case "wampcra" $shared-key) (case "scram" $scram) (case "cryptosign" $texts)))
  (type $known (record (field "principal" $principal) (field "secret" $secret)))
  (type $known? (option $known))
  (type $verdict (variant (case "accept" $principal) (case "secret" $known) (case "unknown" $known?) (case "deny" $denial)))
  (type $checked (result (error $texts)))
  (type $answered (result $verdict (error string)))
  (func $check-config (param "config" string) (result $checked)
    (canon lift (core func $check-config) (memory $memory) (realloc $realloc) (post-return $forget)))
  (func $needs (param "config" string) (result $requirements)
    (canon lift (core func $needs) (memory $memory) (realloc $realloc) (post-return $forget)))
  (func $authenticate (param "config" string) (param "request" $request) (result $answered)
    (canon lift (core func $authenticate) (memory $memory) (realloc $realloc) (post-return $forget)))

  ;; An interface exports its types beside its functions, which takes a component of its own.
  (component $interface
    (type $text (option string)) (type $texts (list string)) (type $headers (list (tuple string string)))
    (type $a (record (field "authid" string) (field "authrole" string) (field "authmethod" string)
      (field "authrealm" string) (field "authextra" string) (field "at" u64)))
    (import "authentication" (type $authentication (eq $a)))
    (type $authentication? (option $authentication))
    (type $c (record (field "id" string) (field "public-id" string) (field "is-new" bool) (field "created" u64)
      (field "last-seen" u64) (field "max-age" u32) (field "connections" u32)
      (field "authentication" $authentication?)))
    (import "cookie-record" (type $cookie (eq $c)))
    (type $n (record (field "id" string) (field "peer" string) (field "tls" bool) (field "host" string)
      (field "path" string) (field "origin" $text) (field "subprotocol" string) (field "headers" $headers)))
    (import "connection" (type $connection (eq $n)))
    (type $d (record (field "reason" string) (field "message" string)))
    (import "denial" (type $denial (eq $d)))
    (type $t (record (field "subject" string) (field "names" $texts) (field "sha256" string)))
    (import "certificate" (type $certificate (eq $t)))
    (type $s (record (field "headers" $texts) (field "grants" $texts)))
    (import "requirements" (type $requirements (eq $s)))
    (type $credential: (variant (case "none") (case "ticket" string) (case "public-key" string) (case "remembered")))
    (import "credential" (type $credential (eq $credential:)))
    (type $cookie? (option $cookie))
    (type $certificate? (option $certificate))
    (type $request: (record (field "method" string) (field "realm" string) (field "authid" $text) (field "credential" $credential)
      (field "authextra" string) (field "connection" $connection) (field "cookie" $cookie?) (field "certificate" $certificate?)
      (field "roles" $texts) (field "now" u64)))
    (import "request" (type $request (eq $request:)))
    (type $principal: (record (field "authid" $text) (field "authrole" string) (field "realm" $text) (field "authextra" $text)))
    (import "principal" (type $principal (eq $principal:)))
    (type $salting: (record (field "salt" string) (field "iterations" u32) (field "keylen" u32)))
    (import "salting" (type $salting (eq $salting:)))
    (type $salting? (option $salting))
    (type $shared-key: (record (field "key" string) (field "salting" $salting?)))
    (import "shared-key" (type $shared-key (eq $shared-key:)))
    (type $argon2id: (record (field "iterations" u32) (field "memory" u32)))
    (import "argon2id" (type $argon2id (eq $argon2id:)))
    (type $derivation: (variant (case "pbkdf2" u32) (case "argon2id13" $argon2id)))
    (import "derivation" (type $derivation (eq $derivation:)))
    (type $scram: (record (field "kdf" $derivation) (field "salt" string) (field "stored-key" string) (field "server-key" string)))
    (import "scram" (type $scram (eq $scram:)))
    (type $secret: (variant (case "wampcra" $shared-key) (case "scram" $scram) (case "cryptosign" $texts)))
    (import "secret" (type $secret (eq $secret:)))
    (type $known: (record (field "principal" $principal) (field "secret" $secret)))
    (import "known" (type $known (eq $known:)))
    (type $known? (option $known))
    (type $verdict: (variant (case "accept" $principal) (case "secret" $known) (case "unknown" $known?) (case "deny" $denial)))
    (import "verdict" (type $verdict (eq $verdict:)))
    (type $checked (result (error $texts)))
    (type $answered (result $verdict (error string)))
    (import "check-config" (func $check-config (param "config" string) (result $checked)))
    (import "needs" (func $needs (param "config" string) (result $requirements)))
    (import "authenticate" (func $authenticate (param "config" string) (param "request" $request) (result $answered)))

    (export $connection-of "connection" (type $connection))
    (export $cookie-of "cookie-record" (type $cookie))
    (export $certificate-of "certificate" (type $certificate))
    (export $denial-of "denial" (type $denial))
    (export $requirements-of "requirements" (type $requirements))
    (type $credential:-of (variant (case "none") (case "ticket" string) (case "public-key" string) (case "remembered")))
    (export $credential-of "credential" (type $credential:-of))
    (type $cookie?-of (option $cookie-of))
    (type $certificate?-of (option $certificate-of))
    (type $request:-of (record (field "method" string) (field "realm" string) (field "authid" $text) (field "credential" $credential-of)
      (field "authextra" string) (field "connection" $connection-of) (field "cookie" $cookie?-of) (field "certificate" $certificate?-of)
      (field "roles" $texts) (field "now" u64)))
    (export $request-of "authentication-request" (type $request:-of))
    (type $principal:-of (record (field "authid" $text) (field "authrole" string) (field "realm" $text) (field "authextra" $text)))
    (export $principal-of "principal" (type $principal:-of))
    (type $salting:-of (record (field "salt" string) (field "iterations" u32) (field "keylen" u32)))
    (export $salting-of "salting" (type $salting:-of))
    (type $salting?-of (option $salting-of))
    (type $shared-key:-of (record (field "key" string) (field "salting" $salting?-of)))
    (export $shared-key-of "shared-key" (type $shared-key:-of))
    (type $argon2id:-of (record (field "iterations" u32) (field "memory" u32)))
    (export $argon2id-of "argon2id" (type $argon2id:-of))
    (type $derivation:-of (variant (case "pbkdf2" u32) (case "argon2id13" $argon2id-of)))
    (export $derivation-of "derivation" (type $derivation:-of))
    (type $scram:-of (record (field "kdf" $derivation-of) (field "salt" string) (field "stored-key" string) (field "server-key" string)))
    (export $scram-of "scram-credential" (type $scram:-of))
    (type $secret:-of (variant (case "wampcra" $shared-key-of) (case "scram" $scram-of) (case "cryptosign" $texts)))
    (export $secret-of "secret" (type $secret:-of))
    (type $known:-of (record (field "principal" $principal-of) (field "secret" $secret-of)))
    (export $known-of "known" (type $known:-of))
    (type $known?-of (option $known-of))
    (type $verdict:-of (variant (case "accept" $principal-of) (case "secret" $known-of) (case "unknown" $known?-of) (case "deny" $denial-of)))
    (export $verdict-of "verdict" (type $verdict:-of))
    (type $answered-of (result $verdict-of (error string)))
    (export "check-config" (func $check-config))
    (export "needs" (func $needs) (func (param "config" string) (result $requirements-of)))
    (export "authenticate" (func $authenticate)
      (func (param "config" string) (param "request" $request-of) (result $answered-of))))
  (alias export $types "authentication" (type $authentication))
  (instance $exports (instantiate $interface
    (with "authentication" (type $authentication)) (with "cookie-record" (type $cookie)) (with "connection" (type $connection))
    (with "denial" (type $denial)) (with "certificate" (type $certificate)) (with "requirements" (type $requirements))
    (with "credential" (type $credential))
    (with "request" (type $request))
    (with "principal" (type $principal))
    (with "salting" (type $salting))
    (with "shared-key" (type $shared-key))
    (with "argon2id" (type $argon2id))
    (with "derivation" (type $derivation))
    (with "scram" (type $scram))
    (with "secret" (type $secret))
    (with "known" (type $known))
    (with "verdict" (type $verdict))
    (with "check-config" (func $check-config)) (with "needs" (func $needs)) (with "authenticate" (func $authenticate))))
  (export "wampgate:authid/authentication@0.3.0" (instance $exports)))
