;; Loops for ever in parse.
;; => Fuel: units) in relobox_parse

(func (export "relobox_parse") (param i32 i32 i32) (result i32)
  (loop $again (br $again)) (unreachable))
