/* What the programs of these tests use of kmod's library. */

#ifndef RELOBOX_TEST_KMOD_H
#define RELOBOX_TEST_KMOD_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

struct kmod_ctx;
struct kmod_config_iter;
struct kmod_list;
struct kmod_module;

typedef void log_function(void *, int, const char *, int, const char *, const char *, va_list);
typedef struct kmod_config_iter *config_function(const struct kmod_ctx *);

struct kmod_ctx *kmod_new(const char *, const char *const *);
struct kmod_ctx *kmod_ref(struct kmod_ctx *);
struct kmod_ctx *kmod_unref(struct kmod_ctx *);
int kmod_load_resources(struct kmod_ctx *);
void kmod_unload_resources(struct kmod_ctx *);
int kmod_validate_resources(struct kmod_ctx *);
int kmod_dump_index(struct kmod_ctx *, unsigned int, int);
void kmod_set_log_priority(struct kmod_ctx *, int);
int kmod_get_log_priority(const struct kmod_ctx *);
void kmod_set_log_fn(struct kmod_ctx *, log_function *, const void *);
void kmod_set_userdata(struct kmod_ctx *, const void *);
void *kmod_get_userdata(const struct kmod_ctx *);
const char *kmod_get_dirname(const struct kmod_ctx *);

struct kmod_list *kmod_list_last(const struct kmod_list *);
struct kmod_list *kmod_list_next(const struct kmod_list *, const struct kmod_list *);
struct kmod_list *kmod_list_prev(const struct kmod_list *, const struct kmod_list *);

config_function kmod_config_get_blacklists, kmod_config_get_install_commands, kmod_config_get_remove_commands,
	kmod_config_get_aliases, kmod_config_get_options, kmod_config_get_softdeps, kmod_config_get_weakdeps;
const char *kmod_config_iter_get_key(const struct kmod_config_iter *);
const char *kmod_config_iter_get_value(const struct kmod_config_iter *);
bool kmod_config_iter_next(struct kmod_config_iter *);
void kmod_config_iter_free_iter(struct kmod_config_iter *);

int kmod_module_new_from_lookup(struct kmod_ctx *, const char *, struct kmod_list **);
int kmod_module_new_from_name_lookup(struct kmod_ctx *, const char *, struct kmod_module **);
int kmod_module_new_from_name(struct kmod_ctx *, const char *, struct kmod_module **);
int kmod_module_new_from_path(struct kmod_ctx *, const char *, struct kmod_module **);
int kmod_module_new_from_loaded(struct kmod_ctx *, struct kmod_list **);
struct kmod_module *kmod_module_ref(struct kmod_module *);
struct kmod_module *kmod_module_unref(struct kmod_module *);
int kmod_module_unref_list(struct kmod_list *);
struct kmod_module *kmod_module_get_module(const struct kmod_list *);
int kmod_module_insert_module(struct kmod_module *, unsigned int, const char *);
int kmod_module_probe_insert_module(struct kmod_module *, unsigned int, const char *,
				    int (*)(struct kmod_module *, const char *, void *), const void *,
				    void (*)(struct kmod_module *, bool, const char *));
int kmod_module_remove_module(struct kmod_module *, unsigned int);
struct kmod_list *kmod_module_get_dependencies(const struct kmod_module *);
int kmod_module_get_softdeps(const struct kmod_module *, struct kmod_list **, struct kmod_list **);
int kmod_module_get_weakdeps(const struct kmod_module *, struct kmod_list **);
int kmod_module_apply_filter(const struct kmod_ctx *, unsigned int, const struct kmod_list *, struct kmod_list **);
const char *kmod_module_get_name(const struct kmod_module *);
const char *kmod_module_get_path(const struct kmod_module *);
const char *kmod_module_get_options(const struct kmod_module *);
const char *kmod_module_get_install_commands(const struct kmod_module *);
const char *kmod_module_get_remove_commands(const struct kmod_module *);
int kmod_module_get_info(const struct kmod_module *, struct kmod_list **);
const char *kmod_module_info_get_key(const struct kmod_list *);
const char *kmod_module_info_get_value(const struct kmod_list *);
void kmod_module_info_free_list(struct kmod_list *);
int kmod_module_get_versions(const struct kmod_module *, struct kmod_list **);
const char *kmod_module_version_get_symbol(const struct kmod_list *);
uint64_t kmod_module_version_get_crc(const struct kmod_list *);
void kmod_module_versions_free_list(struct kmod_list *);
int kmod_module_get_symbols(const struct kmod_module *, struct kmod_list **);
const char *kmod_module_symbol_get_symbol(const struct kmod_list *);
uint64_t kmod_module_symbol_get_crc(const struct kmod_list *);
void kmod_module_symbols_free_list(struct kmod_list *);
int kmod_module_get_dependency_symbols(const struct kmod_module *, struct kmod_list **);
const char *kmod_module_dependency_symbol_get_symbol(const struct kmod_list *);
int kmod_module_dependency_symbol_get_bind(const struct kmod_list *);
uint64_t kmod_module_dependency_symbol_get_crc(const struct kmod_list *);
void kmod_module_dependency_symbols_free_list(struct kmod_list *);
int kmod_module_get_initstate(const struct kmod_module *);
const char *kmod_module_initstate_str(unsigned int);
long kmod_module_get_size(const struct kmod_module *);
int kmod_module_get_refcnt(const struct kmod_module *);
struct kmod_list *kmod_module_get_holders(const struct kmod_module *);
struct kmod_list *kmod_module_get_sections(const struct kmod_module *);
unsigned long kmod_module_section_get_address(const struct kmod_list *);
const char *kmod_module_section_get_name(const struct kmod_list *);
void kmod_module_section_free_list(struct kmod_list *);

#define IGNORE_COMMAND 0x4
#define IGNORE_LOADED 0x8
#define DRY_RUN 0x10
#define FAIL_ON_LOADED 0x20
#define APPLY_BLACKLIST_ALL 0x10000
#define APPLY_BLACKLIST 0x20000
#define APPLY_BLACKLIST_ALIAS_ONLY 0x40000

#define FOREACH(entry, list) for (entry = list; entry != NULL; entry = kmod_list_next(list, entry))

#endif
