;; Loops for ever before anybody calls it.
;; => Fuel: units) in start

(func $start (loop $again (br $again)))

(start $start)
