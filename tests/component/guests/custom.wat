;; A well-behaved policy of an operator's own, as the whole text of a component:
;;   HELLO's authid is "banned"      deny, wamp.error.not_authorized
;;   HELLO offers "ticket"           defer to ticket
;;   no cookie, or a new one         none
;;   a client that came back         anonymous, authid = "vip-" and its public ID (its first 56 bytes)
;; It writes into the texts' own page from 0 on: 0..44 the answer, 64..128 the authid.
(component
  (import "wampgate:authid/types@0.2.0" (instance $types
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
    (type $h (record (field "realm" $text) (field "authmethods" $texts) (field "authid" $text)
      (field "authrole" $text) (field "authextra" string)))
    (export "hello" (type $hello (eq $h)))
    (type $i (record (field "authid" $text) (field "authrole" $text) (field "authextra" $text)))
    (export "identity" (type $identity (eq $i)))
    (type $d (record (field "reason" string) (field "message" string)))
    (export "denial" (type $denial (eq $d)))
    (type $v (variant (case "anonymous" $identity) (case "none") (case "defer" string) (case "deny" $denial)))
    (export "decision" (type $decision (eq $v)))
    (type $cookie? (option $cookie)) (type $hello? (option $hello))
    (type $j (record (field "connection" $connection) (field "cookie" $cookie?) (field "hello" $hello?)
      (field "methods" $texts) (field "roles" $texts) (field "now" u64)))
    (export "join-request" (type $join-request (eq $j)))))
  (alias export $types "join-request" (type $join-request))
  (alias export $types "decision" (type $decision))

  (core module $heap
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 4096))
    ;; The instance lives for one call: nothing is ever freed, and one page is enough for what the tests ask.
    (func (export "realloc") (param $old i32) (param $was i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get $size)))
      (local.get $at)))
  (core instance $heap (instantiate $heap))
  (alias core export $heap "memory" (core memory $memory))
  (alias core export $heap "realloc" (core func $realloc))

  (core module $guest
    (import "host" "memory" (memory 1))
    (data (i32.const 64) "vip-")
    (data (i32.const 128) "banned")
    (data (i32.const 144) "ticket")
    (data (i32.const 160) "wamp.error.not_authorized")
    (data (i32.const 192) "this name is banned")
    (data (i32.const 224) "config: not a JSON object")

    (func $same (param $a i32) (param $a-length i32) (param $b i32) (param $b-length i32) (result i32)
      (if (i32.ne (local.get $a-length) (local.get $b-length)) (then (return (i32.const 0))))
      (loop $next
        (if (i32.eqz (local.get $a-length)) (then (return (i32.const 1))))
        (local.set $a-length (i32.sub (local.get $a-length) (i32.const 1)))
        (br_if $next (i32.eq (i32.load8_u (i32.add (local.get $a) (local.get $a-length)))
                             (i32.load8_u (i32.add (local.get $b) (local.get $a-length))))))
      (i32.const 0))
    (func $answer-text (param $field i32) (param $at i32) (param $length i32)
      (i32.store (local.get $field) (local.get $at))
      (i32.store offset=4 (local.get $field) (local.get $length)))

    ;; Every JSON object is fine.
    (func (export "check-config") (param $at i32) (param $length i32) (result i32)
      (if (i32.eqz (local.get $length)) (then (return (call $not-an-object))))
      (if (i32.ne (i32.load8_u (local.get $at)) (i32.const 123)) (then (return (call $not-an-object))))
      (i32.const 0))
    (func $not-an-object (result i32)
      (i32.store8 (i32.const 0) (i32.const 1))
      (call $answer-text (i32.const 4) (i32.const 16) (i32.const 1))
      (call $answer-text (i32.const 16) (i32.const 224) (i32.const 25))
      (i32.const 0))

    (func (export "decide") (param $p i32) (result i32)
      (local $offer i32) (local $left i32)
      (if (i32.load8_u offset=184 (local.get $p))                              ;; hello is some
        (then
          (if (i32.load8_u offset=208 (local.get $p))                          ;; hello.authid is some
            (then (if (call $same (i32.load offset=212 (local.get $p)) (i32.load offset=216 (local.get $p))
                                  (i32.const 128) (i32.const 6))
              (then
                (i32.store8 (i32.const 4) (i32.const 3))                       ;; deny
                (call $answer-text (i32.const 8) (i32.const 160) (i32.const 25))
                (call $answer-text (i32.const 16) (i32.const 192) (i32.const 19))
                (return (i32.const 0))))))
          (local.set $offer (i32.load offset=200 (local.get $p)))              ;; hello.authmethods
          (local.set $left (i32.load offset=204 (local.get $p)))
          (block $no-ticket (loop $next
            (br_if $no-ticket (i32.eqz (local.get $left)))
            (if (call $same (i32.load (local.get $offer)) (i32.load offset=4 (local.get $offer))
                            (i32.const 144) (i32.const 6))
              (then
                (i32.store8 (i32.const 4) (i32.const 2))                       ;; defer
                (call $answer-text (i32.const 8) (i32.const 144) (i32.const 6))
                (return (i32.const 0))))
            (local.set $offer (i32.add (local.get $offer) (i32.const 8)))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br $next)))))
      (if (i32.or (i32.eqz (i32.load8_u offset=72 (local.get $p)))             ;; cookie is none
                  (i32.load8_u offset=96 (local.get $p)))                      ;; cookie.is-new
        (then
          (i32.store8 (i32.const 4) (i32.const 1))                             ;; none
          (return (i32.const 0))))
      ;; "vip-" and the public ID behind it
      (memory.copy (i32.const 68) (i32.load offset=88 (local.get $p))
        (select (i32.load offset=92 (local.get $p)) (i32.const 56)
                (i32.lt_u (i32.load offset=92 (local.get $p)) (i32.const 56))))
      (i32.store8 (i32.const 8) (i32.const 1))                                 ;; anonymous, authid is some
      (call $answer-text (i32.const 12) (i32.const 64)
        (i32.add (i32.const 4)
          (select (i32.load offset=92 (local.get $p)) (i32.const 56)
                  (i32.lt_u (i32.load offset=92 (local.get $p)) (i32.const 56)))))
      (i32.const 0)))
  (core instance $guest (instantiate $guest (with "host" (instance (export "memory" (memory $memory))))))

  (alias core export $guest "check-config" (core func $check-config))
  (alias core export $guest "decide" (core func $decide))
  (type $checked (result (error (list string))))
  (type $decided (result $decision (error string)))
  (func $check-config (param "config" string) (result $checked)
    (canon lift (core func $check-config) (memory $memory) (realloc $realloc)))
  (func $decide (param "config" string) (param "request" $join-request) (result $decided)
    (canon lift (core func $decide) (memory $memory) (realloc $realloc)))
  (instance $policy (export "check-config" (func $check-config)) (export "decide" (func $decide)))
  (export "wampgate:authid/policy@0.2.0" (instance $policy)))
