;; Exports nothing.
;; => Unusable: it does not export "memory"

(module
  )
