;; Wants a table of a million functions.
;; => Unusable: table

(table 1000000 funcref)
