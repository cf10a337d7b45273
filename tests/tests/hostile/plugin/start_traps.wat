;; Traps before anybody calls it.
;; => Trap: trapped in start

(func $start (unreachable))

(start $start)
