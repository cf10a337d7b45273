;; Calls itself for ever before anybody calls it.
;; => Trap: trapped in start: wasm trap: call stack exhausted

(func $start (call $start) (call $start))

(start $start)
