;; Only returning visitors keep their name: a whole component as text. The cases are in cases.json.
;;
;; Offsets follow the canonical ABI, which lays out records as C does in a 32-bit memory. Of `decide`'s arguments:
;;   0 config   72 is there a cookie?   88 cookie.public-id   96 cookie.is-new   128 cookie.authentication?
;;   184 is there a hello?   188 hello.realm?   192 hello.realm   200 hello.authmethods   240 methods
;; Memory: 0 the answer, 48 the one error of check-config, 64 the texts, 1024 what the host hands in.
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
    (type $h (record (field "realm" $text) (field "authmethods" $texts) (field "authid" $text)
      (field "authrole" $text) (field "authextra" string)))
    (export "hello" (type $hello (eq $h)))
    (type $i (record (field "authid" $text) (field "authrole" $text) (field "authextra" $text)))
    (export "identity" (type $identity (eq $i)))
    (type $d (record (field "reason" string) (field "message" string)))
    (export "denial" (type $denial (eq $d)))
    (type $r (record (field "method" string) (field "authrole" string)))
    (export "deferral" (type $deferral (eq $r)))
    (type $v (variant (case "anonymous" $identity) (case "none") (case "defer" string) (case "deny" $denial)
      (case "defer-as" $deferral)))
    (export "decision" (type $decision (eq $v)))
    (type $t (record (field "subject" string) (field "names" $texts) (field "sha256" string)))
    (export "certificate" (type $certificate (eq $t)))
    (type $cookie? (option $cookie)) (type $hello? (option $hello)) (type $certificate? (option $certificate))
    (type $j (record (field "connection" $connection) (field "cookie" $cookie?) (field "hello" $hello?)
      (field "methods" $texts) (field "roles" $texts) (field "now" u64) (field "certificate" $certificate?)))
    (export "join-request" (type $join-request (eq $j)))
    (type $s (record (field "headers" $texts) (field "grants" $texts)))
    (export "requirements" (type $requirements (eq $s)))))
  (alias export $types "join-request" (type $join-request))
  (alias export $types "decision" (type $decision))
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

  (core module $policy
    (import "heap" "memory" (memory 1))
    (data (i32.const 64) "anonymous")
    (data (i32.const 80) "cookie")
    (data (i32.const 96) "closed_realms")
    (data (i32.const 112) "wamp.error.no_such_realm")
    (data (i32.const 144) "this realm is closed")
    (data (i32.const 176) "wamp.error.no_auth_method")
    (data (i32.const 208) "offer a configured authentication method")
    (data (i32.const 256) "use a JSON object")
    (data (i32.const 288) "unknown key: this policy knows only \"closed_realms\"")
    (data (i32.const 352) "closed_realms: use a list of realms, such as [\"staff\"], without escapes")

    ;; === texts and lists ===

    (func $same (param $a i32) (param $a-length i32) (param $b i32) (param $b-length i32) (result i32)
      (if (i32.ne (local.get $a-length) (local.get $b-length)) (then (return (i32.const 0))))
      (loop $next
        (if (i32.eqz (local.get $a-length)) (then (return (i32.const 1))))
        (local.set $a-length (i32.sub (local.get $a-length) (i32.const 1)))
        (br_if $next (i32.eq (i32.load8_u (i32.add (local.get $a) (local.get $a-length)))
                             (i32.load8_u (i32.add (local.get $b) (local.get $a-length))))))
      (i32.const 0))
    (func $contains (param $item i32) (param $count i32) (param $at i32) (param $length i32) (result i32)
      (loop $next
        (if (i32.eqz (local.get $count)) (then (return (i32.const 0))))
        (if (call $same (i32.load (local.get $item)) (i32.load offset=4 (local.get $item))
                        (local.get $at) (local.get $length))
          (then (return (i32.const 1))))
        (local.set $item (i32.add (local.get $item) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next))
      unreachable)
    ;; An empty list means "anonymous": on the configuration's side as on the client's.
    (func $includes-anonymous (param $list i32) (param $count i32) (result i32)
      (if (i32.eqz (local.get $count)) (then (return (i32.const 1))))
      (call $contains (local.get $list) (local.get $count) (i32.const 64) (i32.const 9)))

    ;; === the configuration ===

    ;; What is still to be read, and the string that was read last.
    (global $at (mut i32) (i32.const 0))
    (global $end (mut i32) (i32.const 0))
    (global $string (mut i32) (i32.const 0))
    (global $length (mut i32) (i32.const 0))
    (global $closed (mut i32) (i32.const 0))

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
    ;; A realm's name needs no escapes.
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
    ;; The fault's text, of length 0 where there is none. $closed tells whether the realm is in the list.
    (func $read-config (param $realm i32) (param $realm-length i32) (result i32 i32)
      (global.set $closed (i32.const 0))
      (if (i32.eqz (call $take (i32.const 123))) (then (return (i32.const 256) (i32.const 17))))                ;; {
      (if (call $take (i32.const 125)) (then (return (i32.const 0) (i32.const 0))))          ;; }
      (loop $key
        (if (i32.eqz (call $take-string)) (then (return (i32.const 256) (i32.const 17))))
        (if (i32.eqz (call $same (global.get $string) (global.get $length) (i32.const 96) (i32.const 13)))
          (then (return (i32.const 288) (i32.const 51))))
        (if (i32.eqz (call $take (i32.const 58))) (then (return (i32.const 256) (i32.const 17))))               ;; :
        (if (i32.eqz (call $take (i32.const 91))) (then (return (i32.const 352) (i32.const 71))))               ;; [
        (if (i32.eqz (call $take (i32.const 93)))                                              ;; ]
          (then
            (loop $name
              (if (i32.eqz (call $take-string)) (then (return (i32.const 352) (i32.const 71))))
              (global.set $closed (i32.or (global.get $closed)
                (call $same (global.get $string) (global.get $length) (local.get $realm) (local.get $realm-length))))
              (br_if $name (call $take (i32.const 44))))                                       ;; ,
            (if (i32.eqz (call $take (i32.const 93))) (then (return (i32.const 352) (i32.const 71))))))
        (br_if $key (call $take (i32.const 44))))
      (if (i32.eqz (call $take (i32.const 125))) (then (return (i32.const 256) (i32.const 17))))
      (i32.const 0) (i32.const 0))

    (func (export "check-config") (param $config i32) (param $size i32) (result i32)
      (local $fault i32) (local $fault-length i32)
      (global.set $at (local.get $config))
      (global.set $end (i32.add (local.get $config) (local.get $size)))
      (call $read-config (i32.const 0) (i32.const -1))
      (local.set $fault-length) (local.set $fault)
      (i32.store8 (i32.const 0) (i32.ne (local.get $fault-length) (i32.const 0)))
      (call $put (i32.const 4) (i32.const 48) (i32.const 1))                                 ;; a list of one text
      (call $put (i32.const 48) (local.get $fault) (local.get $fault-length))
      (i32.const 0))

    ;; Two empty lists: it looks at no headers.
    (func (export "needs") (param $config i32) (param $size i32) (result i32)
      (memory.fill (i32.const 0) (i32.const 0) (i32.const 16))
      (i32.const 0))

    ;; === the decision ===

    (func $put (param $field i32) (param $at i32) (param $length i32)
      (i32.store (local.get $field) (local.get $at))
      (i32.store offset=4 (local.get $field) (local.get $length)))
    (func $deny (param $reason i32) (param $reason-length i32) (param $message i32) (param $message-length i32)
      (result i32)
      (i32.store8 (i32.const 4) (i32.const 3))
      (call $put (i32.const 8) (local.get $reason) (local.get $reason-length))
      (call $put (i32.const 16) (local.get $message) (local.get $message-length))
      (i32.const 0))

    (func (export "decide") (param $p i32) (result i32)
      (local $hello i32) (local $offers i32) (local $left i32) (local $method i32) (local $size i32)
      (local $fault i32) (local $fault-length i32)
      (memory.fill (i32.const 0) (i32.const 0) (i32.const 44))                                 ;; ok(anonymous), nothing in it
      (global.set $at (i32.load (local.get $p)))
      (global.set $end (i32.add (global.get $at) (i32.load offset=4 (local.get $p))))
      (local.set $hello (i32.load8_u offset=184 (local.get $p)))
      (call $read-config (i32.load offset=192 (local.get $p))
        (select (i32.load offset=196 (local.get $p)) (i32.const -1)                          ;; -1: no name is so long
                (i32.and (local.get $hello) (i32.load8_u offset=188 (local.get $p)))))
      (local.set $fault-length) (local.set $fault)
      (if (local.get $fault-length)
        (then
          (i32.store8 (i32.const 0) (i32.const 1))
          (call $put (i32.const 4) (local.get $fault) (local.get $fault-length))
          (return (i32.const 0))))
      (if (global.get $closed) (then (return (call $deny (i32.const 112) (i32.const 24) (i32.const 144) (i32.const 20)))))

      (if (local.get $hello) (then (local.set $left (i32.load offset=204 (local.get $p)))))
      (local.set $offers (i32.load offset=200 (local.get $p)))
      (block $none-usable (loop $next
        (br_if $none-usable (i32.eqz (local.get $left)))
        (local.set $method (i32.load (local.get $offers)))
        (local.set $size (i32.load offset=4 (local.get $offers)))
        (local.set $offers (i32.add (local.get $offers) (i32.const 8)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $next (call $same (local.get $method) (local.get $size) (i32.const 64) (i32.const 9)))
        (br_if $next (i32.eqz (call $contains
          (i32.load offset=240 (local.get $p)) (i32.load offset=244 (local.get $p)) (local.get $method) (local.get $size))))
        ;; `cookie` can vouch only for a client that has logged in with this cookie before.
        (if (call $same (local.get $method) (local.get $size) (i32.const 80) (i32.const 6))
          (then (br_if $next (i32.eqz (i32.and (i32.load8_u offset=72 (local.get $p)) (i32.load8_u offset=128 (local.get $p)))))))
        (i32.store8 (i32.const 4) (i32.const 2))                                               ;; defer
        (call $put (i32.const 8) (local.get $method) (local.get $size))
        (return (i32.const 0))))

      (if (i32.eqz (i32.and
            (call $includes-anonymous (i32.load offset=240 (local.get $p)) (i32.load offset=244 (local.get $p)))
            (call $includes-anonymous (i32.load offset=200 (local.get $p))
              (select (i32.load offset=204 (local.get $p)) (i32.const 0) (local.get $hello)))))
        (then (return (call $deny (i32.const 176) (i32.const 25) (i32.const 208) (i32.const 40)))))
      (if (i32.or (i32.eqz (i32.load8_u offset=72 (local.get $p))) (i32.load8_u offset=96 (local.get $p)))
        (then (i32.store8 (i32.const 4) (i32.const 1)) (return (i32.const 0))))              ;; none
      (i32.store8 (i32.const 8) (i32.const 1))                                                 ;; authid is some
      (call $put (i32.const 12) (i32.load offset=88 (local.get $p)) (i32.load offset=92 (local.get $p)))
      (i32.const 0)))
  (core instance $policy (instantiate $policy (with "heap" (instance (export "memory" (memory $memory))))))

  (alias core export $policy "check-config" (core func $check-config))
  (alias core export $policy "needs" (core func $needs))
  (alias core export $policy "decide" (core func $decide))
  (type $checked (result (error (list string))))
  (type $decided (result $decision (error string)))
  (func $check-config (param "config" string) (result $checked)
    (canon lift (core func $check-config) (memory $memory) (realloc $realloc) (post-return $forget)))
  (func $needs (param "config" string) (result $requirements)
    (canon lift (core func $needs) (memory $memory) (realloc $realloc) (post-return $forget)))
  (func $decide (param "config" string) (param "request" $join-request) (result $decided)
    (canon lift (core func $decide) (memory $memory) (realloc $realloc) (post-return $forget)))
  (instance $exports (export "check-config" (func $check-config)) (export "needs" (func $needs))
    (export "decide" (func $decide)))
  (export "wampgate:authid/policy@0.3.0" (instance $exports)))
