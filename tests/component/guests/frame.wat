;; What every guest of this folder has in common, so that a guest is only its own few functions: they stand where
;; the line GUEST is. A guest that imports more has it at IMPORTS and hands it to its functions at HOST. Offsets are the canonical ABI's; `decide` gets one pointer to (config, request):
;;   0 config | 80 cookie.id  88 .public-id  96 .is-new | 248 roles  256 now | answer: 0 ok/err  4 which case  8.. its payload
(component
  (import "wampgate:authid/log@0.2.0" (instance $log
    (type $l (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $l)))
    (export "log" (func (param "level" $level) (param "message" string)))))
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
    ;; Everything is freed at once when a call is over, and one page is enough for what the tests ask.
    (func (export "free") (param i32) (global.set $top (i32.const 4096)))
    (func (export "realloc") (param $old i32) (param $was i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get $size)))
      (local.get $at)))
  (core instance $heap (instantiate $heap))
  (alias core export $heap "memory" (core memory $memory))
  (alias core export $heap "realloc" (core func $realloc))
  (alias core export $heap "free" (core func $free))
  (alias export $log "log" (func $log-line))
  (core func $log-line (canon lower (func $log-line) (memory $memory)))
  ;; IMPORTS

  (core module $guest
    (import "host" "log" (func $log (param $level i32) (param $at i32) (param $length i32)))
    (import "host" "memory" (memory 1))
    ;; GUEST
  )
  (core instance $guest (instantiate $guest
    (with "host" (instance (export "log" (func $log-line)) (export "memory" (memory $memory))
      ;; HOST
    ))))

  (alias core export $guest "check-config" (core func $check-config))
  (alias core export $guest "decide" (core func $decide))
  (type $checked (result (error (list string))))
  (type $decided (result $decision (error string)))
  (func $check-config (param "config" string) (result $checked)
    (canon lift (core func $check-config) (memory $memory) (realloc $realloc)))
  (func $decide (param "config" string) (param "request" $join-request) (result $decided)
    (canon lift (core func $decide) (memory $memory) (realloc $realloc) (post-return $free)))
  (instance $policy (export "check-config" (func $check-config)) (export "decide" (func $decide)))
  (export "wampgate:authid/policy@0.2.0" (instance $policy)))
