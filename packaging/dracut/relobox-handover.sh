#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Hands over what was loaded: /run moves to the real root, and the state in it.
mkdir -p /run/relobox
chmod 0700 /run/relobox
relobox-kmod state export -o /run/relobox/handover.json || warn "relobox: nothing is handed over"
