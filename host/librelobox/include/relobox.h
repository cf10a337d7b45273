/* relobox.h: links, checks and inspects Linux kernel modules in a process without rights (librelobox).
 *
 * Generated from host/librelobox; do not edit. docs/librelobox.md explains it.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

#ifndef LIBRELOBOX_H
#define LIBRELOBOX_H

#include <stddef.h>
#include <stdint.h>

// Which numbers of a structure are there: bits of its field `has`.
enum relobox_has {
    // `offset`.
    RELOBOX_HAS_OFFSET = 1,
    // `value`.
    RELOBOX_HAS_VALUE = 2,
    // `min`.
    RELOBOX_HAS_MIN = 4,
    // `max`.
    RELOBOX_HAS_MAX = 8,
    // `crc`.
    RELOBOX_HAS_CRC = 16,
};

// What a section is, and how it came: bits of its field `flags`.
enum relobox_section_flag {
    // It is writable.
    RELOBOX_SECTION_FLAG_WRITE = 1,
    // It is in memory.
    RELOBOX_SECTION_FLAG_ALLOC = 2,
    // It is executable.
    RELOBOX_SECTION_FLAG_EXEC = 4,
    // The plugin made it: a GOT, a PLT, stubs.
    RELOBOX_SECTION_FLAG_SYNTHETIC = 8,
};

// What a symbol is: bits of its field `flags`.
enum relobox_symbol_flag {
    // Only GPL-compatible modules may use it.
    RELOBOX_SYMBOL_FLAG_GPL = 1,
    // The module works without it.
    RELOBOX_SYMBOL_FLAG_WEAK = 2,
};

// What is known of a plugin: bits of its field `flags`.
enum relobox_plugin_flag {
    // It is built into relobox.
    RELOBOX_PLUGIN_FLAG_BUILT_IN = 1,
    // It is pinned, and so trusted. What is built in needs no pin.
    RELOBOX_PLUGIN_FLAG_PINNED = 2,
    // `relobox_context_choose_plugin` named it.
    RELOBOX_PLUGIN_FLAG_CHOSEN = 4,
    // It was compiled for the linking process. What is pinned is used only then.
    RELOBOX_PLUGIN_FLAG_COMPILED = 8,
};

// How modules are loaded into this machine's kernel.
enum relobox_kernel {
    // The device if it is there and can load, else the other.
    RELOBOX_KERNEL_AUTO = 0,
    // relobox relocates the module, and `/dev/relobox` makes the kernel's loader use the result.
    RELOBOX_KERNEL_DEVICE = 1,
    // The module is linked as a check. Then the kernel loads the original file.
    RELOBOX_KERNEL_VET = 2,
};

// Settings, plugins, and the process that links. Objects that are made with it keep it alive.
struct relobox_context;

// What was wrong, as data: a list of diagnostics.
struct relobox_diagnostics;

// A module that is linked at its final addresses.
struct relobox_image;

// What is in a module.
struct relobox_info;

// A module that this machine's kernel has loaded.
struct relobox_loaded;

// The file of a module, or of another relocatable object.
struct relobox_module;

// A list of plugins.
struct relobox_plugins;

// Symbols with their addresses: those of a kernel and of modules.
struct relobox_symbols;

// One diagnostic. Texts that are not there are null. They live as long as the list.
struct relobox_diagnostic {
    // The stable word for what is wrong: `out-of-range`, `undefined-symbol` and others of docs/json.md.
    const char *kind;
    // All of it, as one line for people.
    const char *message;
    // The file of the module.
    const char *file;
    // The section.
    const char *section;
    // The type of the relocation.
    const char *relocation;
    // The symbol.
    const char *symbol;
    // The file or section that defines the symbol.
    const char *defined_in;
    // What is wrong, for people.
    const char *text;
    // What can be done about it, for people. It may name options of the program relobox.
    const char *hint;
    // The offset in bytes: in the section, or in the file if there is no section.
    uint64_t offset;
    // The value that does not fit.
    int64_t value;
    // The smallest value that fits.
    int64_t min;
    // The largest value that fits.
    int64_t max;
    // Which of the numbers are there: bits of `enum relobox_has`.
    uint32_t has;
};

// The address of a section.
struct relobox_placement {
    // Its name.
    const char *section;
    // Its address.
    uint64_t address;
};

// The machine that a module is for.
struct relobox_machine {
    // The plugin that links the module. Null if there is none, or if there are several and none was chosen.
    const char *plugin;
    // The size in bytes of the signature behind the module; 0 without one.
    uint64_t signature;
    // The flags of the ELF header.
    uint32_t flags;
    // The machine of the ELF header (`e_machine`).
    uint16_t machine;
    // 32 or 64 bits.
    uint8_t bits;
    // 1 if the bytes of a number begin with the highest (big-endian), else 0.
    uint8_t big_endian;
};

// An entry of `.modinfo`.
struct relobox_modinfo_entry {
    // The key: `license`.
    const char *key;
    // The value.
    const char *value;
};

// A section that is in memory.
struct relobox_section {
    // Its name.
    const char *name;
    // Its address; 0 before the module is linked.
    uint64_t address;
    // Its size in bytes.
    uint64_t size;
    // Its alignment in bytes.
    uint64_t align;
    // Its final contents: `size` bytes. Null before the module is linked, and for a section of zeros (`.bss`).
    const void *contents;
    // The number of its relocations.
    uint32_t relocations;
    // Bits of `enum relobox_section_flag`.
    uint32_t flags;
};

// A symbol that a module exports, or that it needs.
struct relobox_symbol {
    // Its name.
    const char *name;
    // Its namespace; null without one.
    const char *symbol_namespace;
    // The CRC of its type.
    uint32_t crc;
    // Bits of `enum relobox_symbol_flag`.
    uint32_t flags;
    // Whether `crc` is there: a bit of `enum relobox_has`.
    uint32_t has;
};

// The relocations of one type.
struct relobox_relocation_count {
    // The name of the type, or its number.
    const char *name;
    // The plugin's formula; null if it is not known.
    const char *formula;
    // How many there are.
    uint64_t count;
};

// Memory of one kind, in which sections lie.
struct relobox_area {
    // Its kind: `text`, `rodata`, `ro_after_init`, `data`, `init.text`, `init.rodata`, `init.data`, `percpu`, and for
    // older kernels `core` and `init`.
    const char *kind;
    // Its address.
    uint64_t address;
    // Its size in bytes.
    uint64_t size;
    // Its alignment in bytes.
    uint64_t align;
};

// What became of a module that the kernel has loaded.
struct relobox_load_result {
    // The name of the module, as the kernel lists it.
    const char *name;
    // Who relocated it: `device` (relobox) or `vet` (the kernel, after relobox had linked it as a check).
    const char *mode;
    // The plugin; `unknown` if the linking process did not say.
    const char *plugin;
    // The number of relocations, as the linking process says.
    uint64_t relocations;
    // What the module's init function returned, if relobox knows: 0 or positive.
    int32_t returned;
};

// A plugin.
struct relobox_plugin {
    // Its name.
    const char *name;
    // The SHA-256 of its Wasm: 64 hexadecimal digits.
    const char *sha256;
    // Its file; null for one that is built in.
    const char *path;
    // The machines that it says it links, as `62/64/little`, separated by commas; empty if it does not say.
    const char *machines;
    // Bits of `enum relobox_plugin_flag`.
    uint32_t flags;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of this library.
const char *relobox_version(void);

// Makes a context. It starts nothing and reads nothing. Returns null only if this library fails.
struct relobox_context *relobox_context_new(void);

// Takes another reference to a context. Returns it, or null for null and for what is none.
struct relobox_context *relobox_context_ref(struct relobox_context *context);

// Gives a reference to a context back. Returns null if neither the program nor an object has it any more.
struct relobox_context *relobox_context_unref(struct relobox_context *context);

// Uses this program as the linking process. Without, it is the `relobox-linker` beside the library, or else the one in
// /usr/lib/relobox. Returns 0 or a negative number of errno(3), as all functions of this type do.
int relobox_context_set_linker(struct relobox_context *context,
                               const char *program);

// Reads the pins of plugins from this file, and writes them there. Without, they are those of /etc/relobox/pins, and if
// the process is not root's, of ~/.config/relobox/pins. The file has to exist when something is linked.
int relobox_context_set_pins(struct relobox_context *context,
                             const char *file);

// Searches this directory for plugins (`*.wasm`), beside /usr/lib/relobox/plugins and /usr/local/lib/relobox/plugins.
int relobox_context_add_plugin_directory(struct relobox_context *context,
                                         const char *directory);

// Uses this plugin if several link the same machine: a name, the first digits of a SHA-256, or a file. It must be pinned
// and compiled, unless it is built in. Whether there is such a plugin shows when something is linked.
int relobox_context_choose_plugin(struct relobox_context *context,
                                  const char *plugin);

// Sets a number that plugins ask for (`relobox plugin info` lists them). It is an error to link a module whose plugin
// does not ask for it.
int relobox_context_set_input(struct relobox_context *context,
                              const char *input,
                              uint64_t value);

// Starts the linking process if it does not run, and waits until it is ready. The first call that needs it does so, too.
// It ends with the context, or when a setting changes.
int relobox_context_start(struct relobox_context *context);

// Pins a plugin: a name, the first digits of a SHA-256, or a file. This does not compile it, because this library has no
// compiler: `relobox plugin compile` does, and before that the plugin cannot be used.
int relobox_context_pin(struct relobox_context *context,
                        const char *plugin,
                        const char *comment);

// Removes the pins of the plugins with this name, or with these first digits of a SHA-256.
int relobox_context_unpin(struct relobox_context *context, const char *plugin);

// Removes a module from this machine's kernel. Does not wait until it is unused.
int relobox_context_remove(struct relobox_context *context, const char *module);

// Returns what was wrong with the last call of a function of this context, or of an object made with it, that failed. It
// is a reference to be given back. Null for null.
struct relobox_diagnostics *relobox_context_error(const struct relobox_context *context);

// Takes another reference to a list of diagnostics. Returns it, or null for null and for what is none.
struct relobox_diagnostics *relobox_diagnostics_ref(struct relobox_diagnostics *diagnostics);

// Gives a reference to a list of diagnostics back. Returns null if it was the last, and for null.
struct relobox_diagnostics *relobox_diagnostics_unref(struct relobox_diagnostics *diagnostics);

// All of it, as lines for people. Empty if nothing was wrong, null for null.
const char *relobox_diagnostics_text(const struct relobox_diagnostics *diagnostics);

// The number of diagnostics.
size_t relobox_diagnostics_count(const struct relobox_diagnostics *diagnostics);

// Gets a diagnostic. Its texts live as long as the object. `size` is the size of the structure.
//
// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
int relobox_diagnostics_get(const struct relobox_diagnostics *diagnostics,
                            size_t index,
                            struct relobox_diagnostic *result,
                            size_t size);

// Makes an empty table of symbols.
int relobox_symbols_new(struct relobox_context *context, struct relobox_symbols **symbols);

// Takes another reference to symbols. Returns it, or null for null and for what is none.
struct relobox_symbols *relobox_symbols_ref(struct relobox_symbols *symbols);

// Gives a reference to symbols back. Returns null if it was the last, and for null.
struct relobox_symbols *relobox_symbols_unref(struct relobox_symbols *symbols);

// Adds the symbols of a file: System.map, /proc/kallsyms or Module.symvers, also compressed, or the output of
// `relobox state export`. Its kind is recognised. The linking process reads it; this one does not.
int relobox_symbols_read_file(struct relobox_symbols *symbols, const char *file);

// As `relobox_symbols_read_file`, from memory, which is copied. `file` is for messages.
int relobox_symbols_read_memory(struct relobox_symbols *symbols,
                                const char *file,
                                const uint8_t *data,
                                size_t size);

// Adds a symbol. It replaces those of its name.
int relobox_symbols_add(struct relobox_symbols *symbols, const char *symbol, uint64_t address);

// Looks a symbol up. Returns `-ENOENT` if there is none of this name, and `-ENODATA` if its address is not known, as
// from Module.symvers alone. These two are no errors of the context.
int relobox_symbols_lookup(const struct relobox_symbols *symbols,
                           const char *symbol,
                           uint64_t *address);

// Counts the names of symbols.
int relobox_symbols_count(const struct relobox_symbols *symbols, uint64_t *count);

// Reads the file of a module: .ko, .ko.gz, .ko.xz, .ko.zst, or another relocatable object. Whether it is one shows when
// it is used. The file can change later; the object has what it was.
int relobox_module_open(struct relobox_context *context,
                        const char *file,
                        struct relobox_module **module);

// As `relobox_module_open`, from memory, which is copied. `file` is for messages, and tells the name of a module that
// does not say it.
int relobox_module_from_memory(struct relobox_context *context,
                               const char *file,
                               const uint8_t *data,
                               size_t size,
                               struct relobox_module **module);

// Takes another reference to a module. Returns it, or null for null and for what is none.
struct relobox_module *relobox_module_ref(struct relobox_module *module);

// Gives a reference to a module back. Returns null if it was the last, and for null.
struct relobox_module *relobox_module_unref(struct relobox_module *module);

// The name of the module's file. It lives as long as the module.
const char *relobox_module_file(const struct relobox_module *module);

// Tells what is in the module, without linking it.
int relobox_module_inspect(const struct relobox_module *module, struct relobox_info **info);

// Tries whether the module links, as `relobox check` does: where Linux usually puts modules, or near the kernel that
// `symbols` (or null) tell of. Symbols without an address get one there; without symbols of a kernel, all do.
//
// Returns 0 if it links, or `-ENOEXEC`; then relobox_context_error() has every reason.
int relobox_module_check(const struct relobox_module *module,
                         const struct relobox_symbols *symbols);

// Links the module at its final addresses: at `base`, or, for 0, where Linux usually puts modules of its machine.
//
// `placements` (or null) are the exact addresses of `count` sections. The others follow from `base`, or, for 0, from the
// page after the last of those. All symbols that the module needs must be in `symbols`.
//
// Returns 0, or `-ENOEXEC` if it does not link there; then relobox_context_error() has every reason.
int relobox_module_link(const struct relobox_module *module,
                        const struct relobox_symbols *symbols,
                        uint64_t base,
                        const struct relobox_placement *placements,
                        size_t count,
                        struct relobox_image **image);

// Has this machine's kernel load the module: `kernel` is one of `enum relobox_kernel`. `parameters` (or null) are
// `NAME=VALUE`, separated by blanks. The process needs the right to load modules; the one that links has none.
//
// `loaded` may be null. After an error, the module is not live, except if the diagnostic is of the kind `not-listed`.
int relobox_module_insert(const struct relobox_module *module,
                          uint32_t kernel,
                          const char *parameters,
                          struct relobox_loaded **loaded);

// Takes another reference to what is in a module. Returns it, or null for null and for what is none.
struct relobox_info *relobox_info_ref(struct relobox_info *info);

// Gives a reference to what is in a module back. Returns null if it was the last, and for null.
struct relobox_info *relobox_info_unref(struct relobox_info *info);

// Gets the machine of a module. `size` is the size of the structure. Returns 0, or `-EINVAL` for null.
int relobox_info_machine(const struct relobox_info *info, struct relobox_machine *machine, size_t size);

// The number of entries of `.modinfo`.
size_t relobox_info_modinfo_count(const struct relobox_info *info);

// Gets an entry of `.modinfo`. Its texts live as long as the object. `size` is the size of the structure.
//
// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
int relobox_info_modinfo(const struct relobox_info *info,
                         size_t index,
                         struct relobox_modinfo_entry *result,
                         size_t size);

// The number of sections that are in memory.
size_t relobox_info_section_count(const struct relobox_info *info);

// Gets a section. Its texts live as long as the object. `size` is the size of the structure.
//
// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
int relobox_info_section(const struct relobox_info *info,
                         size_t index,
                         struct relobox_section *result,
                         size_t size);

// The number of symbols that the module exports.
size_t relobox_info_export_count(const struct relobox_info *info);

// Gets a symbol that the module exports. Its texts live as long as the object. `size` is the size of the structure.
//
// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
int relobox_info_export(const struct relobox_info *info,
                        size_t index,
                        struct relobox_symbol *result,
                        size_t size);

// The number of symbols that the module needs.
size_t relobox_info_undefined_count(const struct relobox_info *info);

// Gets a symbol that the module needs. Its texts live as long as the object. `size` is the size of the structure.
//
// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
int relobox_info_undefined(const struct relobox_info *info,
                           size_t index,
                           struct relobox_symbol *result,
                           size_t size);

// The number of types of relocations.
size_t relobox_info_relocation_count(const struct relobox_info *info);

// Gets a type of relocations, the most frequent first. Its texts live as long as the object. `size` is the size of the structure.
//
// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
int relobox_info_relocation(const struct relobox_info *info,
                            size_t index,
                            struct relobox_relocation_count *result,
                            size_t size);

// Takes another reference to a linked module. Returns it, or null for null and for what is none.
struct relobox_image *relobox_image_ref(struct relobox_image *image);

// Gives a reference to a linked module back. Returns null if it was the last, and for null.
struct relobox_image *relobox_image_unref(struct relobox_image *image);

// The name of the plugin. It lives as long as the image. Null for null.
const char *relobox_image_plugin(const struct relobox_image *image);

// The number of relocations that were applied.
uint64_t relobox_image_relocations(const struct relobox_image *image);

// The number of areas. Sections at exact addresses are in none.
size_t relobox_image_area_count(const struct relobox_image *image);

// Gets an area. Its texts live as long as the object. `size` is the size of the structure.
//
// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
int relobox_image_area(const struct relobox_image *image,
                       size_t index,
                       struct relobox_area *result,
                       size_t size);

// The number of sections in memory, with those that the plugin made.
size_t relobox_image_section_count(const struct relobox_image *image);

// Gets a section with its final contents, the lowest address first. Its texts live as long as the object. `size` is the size of the structure.
//
// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
int relobox_image_section(const struct relobox_image *image,
                          size_t index,
                          struct relobox_section *result,
                          size_t size);

// The number of modules whose symbols it uses.
size_t relobox_image_use_count(const struct relobox_image *image);

// Returns the name of a module whose symbols it uses. It lives as long as the object. Null if there is none of this index.
const char *relobox_image_use(const struct relobox_image *image,
                              size_t index);

// The number of sections whose relocations are left for the kernel: those of a live patch.
size_t relobox_image_left_count(const struct relobox_image *image);

// Returns the name of a section whose relocations are left for the kernel. It lives as long as the object. Null if there is none of this index.
const char *relobox_image_left(const struct relobox_image *image,
                               size_t index);

// Copies `size` bytes of the module's memory at `address`. What lies between sections is 0.
//
// Returns 0, `-EINVAL` for null, or `-ERANGE` if they are neither all in one area nor all in one section.
int relobox_image_read(const struct relobox_image *image, uint64_t address, uint8_t *buffer, size_t size);

// The linked module as an ELF file, and its size. It lives as long as the image. Null for null.
const uint8_t *relobox_image_elf(const struct relobox_image *image, size_t *size);

// Writes that ELF file. It replaces another as a whole.
int relobox_image_write(const struct relobox_image *image, const char *file);

// Takes another reference to what became of a loaded module. Returns it, or null for null and for what is none.
struct relobox_loaded *relobox_loaded_ref(struct relobox_loaded *loaded);

// Gives a reference to what became of a loaded module back. Returns null if it was the last, and for null.
struct relobox_loaded *relobox_loaded_unref(struct relobox_loaded *loaded);

// Gets what became of the module. Its texts live as long as the object. Returns 0, or `-EINVAL` for null.
int relobox_loaded_result(const struct relobox_loaded *loaded,
                          struct relobox_load_result *result,
                          size_t size);

// The number of areas, where the kernel shows them.
size_t relobox_loaded_area_count(const struct relobox_loaded *loaded);

// Gets an area. Its texts live as long as the object. `size` is the size of the structure.
//
// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
int relobox_loaded_area(const struct relobox_loaded *loaded,
                        size_t index,
                        struct relobox_area *result,
                        size_t size);

// The number of modules that it uses.
size_t relobox_loaded_use_count(const struct relobox_loaded *loaded);

// Returns the name of a module that it uses. It lives as long as the object. Null if there is none of this index.
const char *relobox_loaded_use(const struct relobox_loaded *loaded,
                               size_t index);

// The number of parameters that the module does not know.
size_t relobox_loaded_unknown_count(const struct relobox_loaded *loaded);

// Returns the name of a parameter that the module does not know. It lives as long as the object. Null if there is none of this index.
const char *relobox_loaded_unknown(const struct relobox_loaded *loaded,
                                   size_t index);

// Lists the plugins that a context finds: those that are built in, then those in files, pinned or not.
int relobox_plugins_list(struct relobox_context *context, struct relobox_plugins **plugins);

// Takes another reference to a list of plugins. Returns it, or null for null and for what is none.
struct relobox_plugins *relobox_plugins_ref(struct relobox_plugins *plugins);

// Gives a reference to a list of plugins back. Returns null if it was the last, and for null.
struct relobox_plugins *relobox_plugins_unref(struct relobox_plugins *plugins);

// The number of plugins.
size_t relobox_plugins_count(const struct relobox_plugins *plugins);

// Gets a plugin. Its texts live as long as the object. `size` is the size of the structure.
//
// Returns 0, `-EINVAL` for null, or `-ERANGE` if there is none of this index.
int relobox_plugins_get(const struct relobox_plugins *plugins,
                        size_t index,
                        struct relobox_plugin *result,
                        size_t size);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LIBRELOBOX_H */
