;; All sessions read what is open, and each one speaks there under its own name: a whole component as text. The cases are in
;; cases.json.
;;
;; A prefix ends in a dot and has no empty component. So a pattern that begins with it, be it `prefix` or `wildcard`, covers
;; nothing that does not.
;;
;; Offsets follow the canonical ABI, which lays out records as C does in a 32-bit memory. Of `authorize`'s arguments:
;;   0 config   24 session.authid   84 action (0 call, 1 register, 2 publish, 3 subscribe)   88 uri
;; Of its answer: 0 is it an error?   4 allow, or the error   5 disclose   8 keep?   12 keep.seconds   16 keep.scope
;; Memory: 0 the answer, 48 the one error of check-config, 64 the texts, 1024 what the host hands in.
(component
  (import "wampgate:authid/types@0.3.0" (instance $types
    (type $texts (list string))
    (type $s (record (field "headers" $texts) (field "grants" $texts)))
    (export "requirements" (type $requirements (eq $s)))))
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

  (core module $authorizer
    (import "heap" "memory" (memory 1))
    (data (i32.const 64) "open")
    (data (i32.const 80) "use a JSON object")
    (data (i32.const 112) "unknown key: this authorizer knows only \"open\"")
    (data (i32.const 176) "open: use a list of prefixes that end in a dot and have no empty part, such as [\"com.example.chat.\"], without escapes")

    ;; === texts ===

    (func $same (param $a i32) (param $a-length i32) (param $b i32) (param $b-length i32) (result i32)
      (if (i32.ne (local.get $a-length) (local.get $b-length)) (then (return (i32.const 0))))
      (loop $next
        (if (i32.eqz (local.get $a-length)) (then (return (i32.const 1))))
        (local.set $a-length (i32.sub (local.get $a-length) (i32.const 1)))
        (br_if $next (i32.eq (i32.load8_u (i32.add (local.get $a) (local.get $a-length)))
                             (i32.load8_u (i32.add (local.get $b) (local.get $a-length))))))
      (i32.const 0))
    (func $begins-with (param $at i32) (param $length i32) (param $start i32) (param $start-length i32) (result i32)
      (if (i32.lt_u (local.get $length) (local.get $start-length)) (then (return (i32.const 0))))
      (call $same (local.get $at) (local.get $start-length) (local.get $start) (local.get $start-length)))
    ;; Whether a text is components, each with a dot behind it.
    (func $is-prefix (param $at i32) (param $length i32) (result i32)
      (local $was-dot i32) (local $is-dot i32)
      (local.set $was-dot (i32.const 1))
      (if (i32.eqz (local.get $length)) (then (return (i32.const 0))))
      (loop $next
        (local.set $is-dot (i32.eq (i32.load8_u (local.get $at)) (i32.const 46)))
        (if (i32.and (local.get $is-dot) (local.get $was-dot)) (then (return (i32.const 0))))
        (local.set $was-dot (local.get $is-dot))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br_if $next (local.get $length)))
      (local.get $was-dot))
    ;; Whether the first component is this name. One with a dot could be two names, and an empty component of a wildcard stands
    ;; for any.
    (func $begins-with-name (param $at i32) (param $length i32) (param $name i32) (param $name-length i32) (result i32)
      (local $left i32)
      (local.set $left (local.get $name-length))
      (if (i32.eqz (local.get $left)) (then (return (i32.const 0))))
      (loop $next
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (if (i32.eq (i32.load8_u (i32.add (local.get $name) (local.get $left))) (i32.const 46)) (then (return (i32.const 0))))
        (br_if $next (local.get $left)))
      (if (i32.le_u (local.get $length) (local.get $name-length)) (then (return (i32.const 0))))
      (i32.and
        (i32.eq (i32.load8_u (i32.add (local.get $at) (local.get $name-length))) (i32.const 46))
        (call $begins-with (local.get $at) (local.get $length) (local.get $name) (local.get $name-length))))

    ;; === the configuration: {"open": ["..."]} ===

    ;; What is still to be read, and the string that was read last.
    (global $at (mut i32) (i32.const 0))
    (global $end (mut i32) (i32.const 0))
    (global $string (mut i32) (i32.const 0))
    (global $length (mut i32) (i32.const 0))
    ;; What it says of the URI: whether that is open, and whether it is the session's own.
    (global $open (mut i32) (i32.const 0))
    (global $own (mut i32) (i32.const 0))

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
    ;; The fault's text, of length 0 where there is none. It sets $open and $own for a URI and a name.
    (func $read-config (param $config i32) (param $size i32) (param $uri i32) (param $uri-length i32)
      (param $name i32) (param $name-length i32) (result i32 i32)
      (global.set $at (local.get $config))
      (global.set $end (i32.add (local.get $config) (local.get $size)))
      (global.set $open (i32.const 0))
      (global.set $own (i32.const 0))
      (if (i32.eqz (call $take (i32.const 123))) (then (return (i32.const 80) (i32.const 17))))             ;; {
      (if (call $take (i32.const 125)) (then (return (i32.const 0) (i32.const 0))))                        ;; }
      (loop $key
        (if (i32.eqz (call $take-string)) (then (return (i32.const 80) (i32.const 17))))
        (if (i32.eqz (call $same (global.get $string) (global.get $length) (i32.const 64) (i32.const 4)))
          (then (return (i32.const 112) (i32.const 46))))
        (if (i32.eqz (call $take (i32.const 58))) (then (return (i32.const 80) (i32.const 17))))            ;; :
        (if (i32.eqz (call $take (i32.const 91))) (then (return (i32.const 176) (i32.const 117))))          ;; [
        (if (i32.eqz (call $take (i32.const 93)))                                                          ;; ]
          (then
            (loop $prefix
              (if (i32.eqz (call $take-string)) (then (return (i32.const 176) (i32.const 117))))
              (if (i32.eqz (call $is-prefix (global.get $string) (global.get $length)))
                (then (return (i32.const 176) (i32.const 117))))
              (if (call $begins-with (local.get $uri) (local.get $uri-length) (global.get $string) (global.get $length))
                (then
                  (global.set $open (i32.const 1))
                  (global.set $own (i32.or (global.get $own) (call $begins-with-name
                    (i32.add (local.get $uri) (global.get $length)) (i32.sub (local.get $uri-length) (global.get $length))
                    (local.get $name) (local.get $name-length))))))
              (br_if $prefix (call $take (i32.const 44))))                                                 ;; ,
            (if (i32.eqz (call $take (i32.const 93))) (then (return (i32.const 176) (i32.const 117))))))
        (br_if $key (call $take (i32.const 44))))
      (if (i32.eqz (call $take (i32.const 125))) (then (return (i32.const 80) (i32.const 17))))
      (i32.const 0) (i32.const 0))

    (func (export "check-config") (param $config i32) (param $size i32) (result i32)
      (local $fault i32) (local $fault-length i32)
      (call $read-config (local.get $config) (local.get $size) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
      (local.set $fault-length) (local.set $fault)
      (i32.store8 (i32.const 0) (i32.ne (local.get $fault-length) (i32.const 0)))
      (call $put (i32.const 4) (i32.const 48) (i32.const 1))                                               ;; a list of one text
      (call $put (i32.const 48) (local.get $fault) (local.get $fault-length))
      (i32.const 0))

    ;; Two empty lists: an authorizer is shown no request headers.
    (func (export "needs") (param $config i32) (param $size i32) (result i32)
      (memory.fill (i32.const 0) (i32.const 0) (i32.const 16))
      (i32.const 0))

    ;; === the answer ===

    (func $put (param $field i32) (param $at i32) (param $length i32)
      (i32.store (local.get $field) (local.get $at))
      (i32.store offset=4 (local.get $field) (local.get $length)))

    (func (export "authorize") (param $p i32) (result i32)
      (local $action i32) (local $reads i32) (local $fault i32) (local $fault-length i32)
      (memory.fill (i32.const 0) (i32.const 0) (i32.const 20))                                             ;; deny, and ask again
      (call $read-config (i32.load (local.get $p)) (i32.load offset=4 (local.get $p))
        (i32.load offset=88 (local.get $p)) (i32.load offset=92 (local.get $p))
        (i32.load offset=24 (local.get $p)) (i32.load offset=28 (local.get $p)))
      (local.set $fault-length) (local.set $fault)
      (if (local.get $fault-length)
        (then
          (i32.store8 (i32.const 0) (i32.const 1))
          (call $put (i32.const 4) (local.get $fault) (local.get $fault-length))
          (return (i32.const 0))))
      ;; It may be kept for an hour: neither the configuration nor a session's authid changes meanwhile.
      (i32.store8 (i32.const 8) (i32.const 1))
      (i32.store (i32.const 12) (i32.const 3600))
      ;; Call and subscribe: the answer is the same for every session of the role.
      (local.set $action (i32.load8_u offset=84 (local.get $p)))
      (local.set $reads (i32.or (i32.eqz (local.get $action)) (i32.eq (local.get $action) (i32.const 3))))
      (if (local.get $reads)
        (then
          (i32.store8 (i32.const 4) (global.get $open))
          (i32.store8 (i32.const 16) (i32.const 1)))                                                       ;; for the role
        (else
          (i32.store8 (i32.const 4) (global.get $own))
          (i32.store8 (i32.const 5) (global.get $own))))
      (i32.const 0)))
  (core instance $authorizer (instantiate $authorizer (with "heap" (instance (export "memory" (memory $memory))))))

  (alias core export $authorizer "check-config" (core func $check-config))
  (alias core export $authorizer "needs" (core func $needs))
  (alias core export $authorizer "authorize" (core func $authorize))
  (type $action (enum "call" "register" "publish" "subscribe"))
  (type $matching (enum "exact" "prefix" "wildcard"))
  (type $public-id (option string))
  (type $session (record (field "id" string) (field "realm" string) (field "authid" string) (field "authrole" string)
    (field "authmethod" string) (field "authprovider" string) (field "public-id" $public-id) (field "connection" string)
    (field "peer" string)))
  (type $request (record (field "session" $session) (field "action" $action) (field "uri" string) (field "matching" $matching)
    (field "options" string) (field "now" u64)))
  (type $scope (enum "session" "role"))
  (type $keeping (record (field "seconds" u32) (field "scope" $scope)))
  (type $keep (option $keeping))
  (type $ruling (record (field "allow" bool) (field "disclose" bool) (field "keep" $keep)))
  (type $checked (result (error (list string))))
  (type $ruled (result $ruling (error string)))
  (func $check-config (param "config" string) (result $checked)
    (canon lift (core func $check-config) (memory $memory) (realloc $realloc) (post-return $forget)))
  (func $needs (param "config" string) (result $requirements)
    (canon lift (core func $needs) (memory $memory) (realloc $realloc) (post-return $forget)))
  (func $authorize (param "config" string) (param "request" $request) (result $ruled)
    (canon lift (core func $authorize) (memory $memory) (realloc $realloc) (post-return $forget)))

  ;; An interface exports its types beside its functions, which takes a component of its own.
  (component $interface
    (type $texts (list string)) (type $public-id (option string))
    (type $s (record (field "headers" $texts) (field "grants" $texts)))
    (import "requirements" (type $requirements (eq $s)))
    (type $a (enum "call" "register" "publish" "subscribe"))
    (import "action" (type $action (eq $a)))
    (type $m (enum "exact" "prefix" "wildcard"))
    (import "matching" (type $matching (eq $m)))
    (type $n (record (field "id" string) (field "realm" string) (field "authid" string) (field "authrole" string)
      (field "authmethod" string) (field "authprovider" string) (field "public-id" $public-id) (field "connection" string)
      (field "peer" string)))
    (import "session" (type $session (eq $n)))
    (type $r (record (field "session" $session) (field "action" $action) (field "uri" string) (field "matching" $matching)
      (field "options" string) (field "now" u64)))
    (import "request" (type $request (eq $r)))
    (type $o (enum "session" "role"))
    (import "scope" (type $scope (eq $o)))
    (type $k (record (field "seconds" u32) (field "scope" $scope)))
    (import "keeping" (type $keeping (eq $k)))
    (type $keep (option $keeping))
    (type $l (record (field "allow" bool) (field "disclose" bool) (field "keep" $keep)))
    (import "ruling" (type $ruling (eq $l)))
    (type $checked (result (error $texts)))
    (type $ruled (result $ruling (error string)))
    (import "check-config" (func $check-config (param "config" string) (result $checked)))
    (import "needs" (func $needs (param "config" string) (result $requirements)))
    (import "authorize" (func $authorize (param "config" string) (param "request" $request) (result $ruled)))

    (export $requirements-of "requirements" (type $requirements))
    (export $action-of "action" (type $a))
    (export $matching-of "matching" (type $m))
    (export $session-of "session" (type $n))
    (type $r-of (record (field "session" $session-of) (field "action" $action-of) (field "uri" string)
      (field "matching" $matching-of) (field "options" string) (field "now" u64)))
    (export $request-of "authorization-request" (type $r-of))
    (export $scope-of "scope" (type $o))
    (type $k-of (record (field "seconds" u32) (field "scope" $scope-of)))
    (export $keeping-of "keeping" (type $k-of))
    (type $keep-of (option $keeping-of))
    (type $l-of (record (field "allow" bool) (field "disclose" bool) (field "keep" $keep-of)))
    (export $ruling-of "ruling" (type $l-of))
    (type $ruled-of (result $ruling-of (error string)))
    (export "check-config" (func $check-config))
    (export "needs" (func $needs) (func (param "config" string) (result $requirements-of)))
    (export "authorize" (func $authorize) (func (param "config" string) (param "request" $request-of) (result $ruled-of))))
  (instance $exports (instantiate $interface
    (with "requirements" (type $requirements)) (with "action" (type $action)) (with "matching" (type $matching))
    (with "session" (type $session)) (with "request" (type $request)) (with "scope" (type $scope))
    (with "keeping" (type $keeping)) (with "ruling" (type $ruling))
    (with "check-config" (func $check-config)) (with "needs" (func $needs)) (with "authorize" (func $authorize))))
  (export "wampgate:authid/authorization@0.3.0" (instance $exports)))
