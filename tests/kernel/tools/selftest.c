// SPDX-License-Identifier: MIT OR Apache-2.0
/* The device's own test, which lives beside it. */
#include "../../../kernel/selftest.c"
#include "../../../kernel/selftest-common.c"
#include "../../../kernel/selftest-load.c"
#include "../../../kernel/selftest-abuse.c"
