"""Links, checks and inspects Linux kernel modules, in a process without rights, through librelobox.so.1.

    with relobox.Context() as context:
        image = context.module("xfs.ko").link(context.symbols("System.map"), base=0xFFFFFFFFC0400000)

What fails raises Error, whose diagnostics say why, as data. docs/librelobox.md describes the library.
"""

import os
from dataclasses import dataclass
from typing import Dict, List, NamedTuple, Optional, Tuple, Union

import cffi

__version__ = "0.1.0"

# From relobox.h, without its comments: `RELOBOX_BLESS=1 cargo test -p relobox-lib --test header` writes them.
_DECLARATIONS = """
enum relobox_has {
    RELOBOX_HAS_OFFSET = 1,
    RELOBOX_HAS_VALUE = 2,
    RELOBOX_HAS_MIN = 4,
    RELOBOX_HAS_MAX = 8,
    RELOBOX_HAS_CRC = 16,
};
enum relobox_section_flag {
    RELOBOX_SECTION_FLAG_WRITE = 1,
    RELOBOX_SECTION_FLAG_ALLOC = 2,
    RELOBOX_SECTION_FLAG_EXEC = 4,
    RELOBOX_SECTION_FLAG_SYNTHETIC = 8,
};
enum relobox_symbol_flag {
    RELOBOX_SYMBOL_FLAG_GPL = 1,
    RELOBOX_SYMBOL_FLAG_WEAK = 2,
};
enum relobox_plugin_flag {
    RELOBOX_PLUGIN_FLAG_BUILT_IN = 1,
    RELOBOX_PLUGIN_FLAG_PINNED = 2,
    RELOBOX_PLUGIN_FLAG_CHOSEN = 4,
    RELOBOX_PLUGIN_FLAG_COMPILED = 8,
};
enum relobox_kernel {
    RELOBOX_KERNEL_AUTO = 0,
    RELOBOX_KERNEL_DEVICE = 1,
    RELOBOX_KERNEL_VET = 2,
};
struct relobox_context;
struct relobox_diagnostics;
struct relobox_image;
struct relobox_info;
struct relobox_loaded;
struct relobox_module;
struct relobox_plugins;
struct relobox_symbols;
struct relobox_diagnostic {
    const char *kind;
    const char *message;
    const char *file;
    const char *section;
    const char *relocation;
    const char *symbol;
    const char *defined_in;
    const char *text;
    const char *hint;
    uint64_t offset;
    int64_t value;
    int64_t min;
    int64_t max;
    uint32_t has;
};
struct relobox_placement {
    const char *section;
    uint64_t address;
};
struct relobox_machine {
    const char *plugin;
    uint64_t signature;
    uint32_t flags;
    uint16_t machine;
    uint8_t bits;
    uint8_t big_endian;
};
struct relobox_modinfo_entry {
    const char *key;
    const char *value;
};
struct relobox_section {
    const char *name;
    uint64_t address;
    uint64_t size;
    uint64_t align;
    const void *contents;
    uint32_t relocations;
    uint32_t flags;
};
struct relobox_symbol {
    const char *name;
    const char *symbol_namespace;
    uint32_t crc;
    uint32_t flags;
    uint32_t has;
};
struct relobox_relocation_count {
    const char *name;
    const char *formula;
    uint64_t count;
};
struct relobox_area {
    const char *kind;
    uint64_t address;
    uint64_t size;
    uint64_t align;
};
struct relobox_load_result {
    const char *name;
    const char *mode;
    const char *plugin;
    uint64_t relocations;
    int32_t returned;
};
struct relobox_plugin {
    const char *name;
    const char *sha256;
    const char *path;
    const char *machines;
    uint32_t flags;
};
const char *relobox_version(void);
struct relobox_context *relobox_context_new(void);
struct relobox_context *relobox_context_ref(struct relobox_context *context);
struct relobox_context *relobox_context_unref(struct relobox_context *context);
int relobox_context_set_linker(struct relobox_context *context,
                               const char *program);
int relobox_context_set_pins(struct relobox_context *context,
                             const char *file);
int relobox_context_add_plugin_directory(struct relobox_context *context,
                                         const char *directory);
int relobox_context_choose_plugin(struct relobox_context *context,
                                  const char *plugin);
int relobox_context_set_input(struct relobox_context *context,
                              const char *input,
                              uint64_t value);
int relobox_context_start(struct relobox_context *context);
int relobox_context_pin(struct relobox_context *context,
                        const char *plugin,
                        const char *comment);
int relobox_context_unpin(struct relobox_context *context, const char *plugin);
int relobox_context_remove(struct relobox_context *context, const char *module);
struct relobox_diagnostics *relobox_context_error(const struct relobox_context *context);
struct relobox_diagnostics *relobox_diagnostics_ref(struct relobox_diagnostics *diagnostics);
struct relobox_diagnostics *relobox_diagnostics_unref(struct relobox_diagnostics *diagnostics);
const char *relobox_diagnostics_text(const struct relobox_diagnostics *diagnostics);
size_t relobox_diagnostics_count(const struct relobox_diagnostics *diagnostics);
int relobox_diagnostics_get(const struct relobox_diagnostics *diagnostics,
                            size_t index,
                            struct relobox_diagnostic *result,
                            size_t size);
int relobox_symbols_new(struct relobox_context *context, struct relobox_symbols **symbols);
struct relobox_symbols *relobox_symbols_ref(struct relobox_symbols *symbols);
struct relobox_symbols *relobox_symbols_unref(struct relobox_symbols *symbols);
int relobox_symbols_read_file(struct relobox_symbols *symbols, const char *file);
int relobox_symbols_read_memory(struct relobox_symbols *symbols,
                                const char *file,
                                const uint8_t *data,
                                size_t size);
int relobox_symbols_add(struct relobox_symbols *symbols, const char *symbol, uint64_t address);
int relobox_symbols_lookup(const struct relobox_symbols *symbols,
                           const char *symbol,
                           uint64_t *address);
int relobox_symbols_count(const struct relobox_symbols *symbols, uint64_t *count);
int relobox_module_open(struct relobox_context *context,
                        const char *file,
                        struct relobox_module **module);
int relobox_module_from_memory(struct relobox_context *context,
                               const char *file,
                               const uint8_t *data,
                               size_t size,
                               struct relobox_module **module);
struct relobox_module *relobox_module_ref(struct relobox_module *module);
struct relobox_module *relobox_module_unref(struct relobox_module *module);
const char *relobox_module_file(const struct relobox_module *module);
int relobox_module_inspect(const struct relobox_module *module, struct relobox_info **info);
int relobox_module_check(const struct relobox_module *module,
                         const struct relobox_symbols *symbols);
int relobox_module_link(const struct relobox_module *module,
                        const struct relobox_symbols *symbols,
                        uint64_t base,
                        const struct relobox_placement *placements,
                        size_t count,
                        struct relobox_image **image);
int relobox_module_insert(const struct relobox_module *module,
                          uint32_t kernel,
                          const char *parameters,
                          struct relobox_loaded **loaded);
struct relobox_info *relobox_info_ref(struct relobox_info *info);
struct relobox_info *relobox_info_unref(struct relobox_info *info);
int relobox_info_machine(const struct relobox_info *info, struct relobox_machine *machine, size_t size);
size_t relobox_info_modinfo_count(const struct relobox_info *info);
int relobox_info_modinfo(const struct relobox_info *info,
                         size_t index,
                         struct relobox_modinfo_entry *result,
                         size_t size);
size_t relobox_info_section_count(const struct relobox_info *info);
int relobox_info_section(const struct relobox_info *info,
                         size_t index,
                         struct relobox_section *result,
                         size_t size);
size_t relobox_info_export_count(const struct relobox_info *info);
int relobox_info_export(const struct relobox_info *info,
                        size_t index,
                        struct relobox_symbol *result,
                        size_t size);
size_t relobox_info_undefined_count(const struct relobox_info *info);
int relobox_info_undefined(const struct relobox_info *info,
                           size_t index,
                           struct relobox_symbol *result,
                           size_t size);
size_t relobox_info_relocation_count(const struct relobox_info *info);
int relobox_info_relocation(const struct relobox_info *info,
                            size_t index,
                            struct relobox_relocation_count *result,
                            size_t size);
struct relobox_image *relobox_image_ref(struct relobox_image *image);
struct relobox_image *relobox_image_unref(struct relobox_image *image);
const char *relobox_image_plugin(const struct relobox_image *image);
uint64_t relobox_image_relocations(const struct relobox_image *image);
size_t relobox_image_area_count(const struct relobox_image *image);
int relobox_image_area(const struct relobox_image *image,
                       size_t index,
                       struct relobox_area *result,
                       size_t size);
size_t relobox_image_section_count(const struct relobox_image *image);
int relobox_image_section(const struct relobox_image *image,
                          size_t index,
                          struct relobox_section *result,
                          size_t size);
size_t relobox_image_use_count(const struct relobox_image *image);
const char *relobox_image_use(const struct relobox_image *image,
                              size_t index);
size_t relobox_image_left_count(const struct relobox_image *image);
const char *relobox_image_left(const struct relobox_image *image,
                               size_t index);
int relobox_image_read(const struct relobox_image *image, uint64_t address, uint8_t *buffer, size_t size);
const uint8_t *relobox_image_elf(const struct relobox_image *image, size_t *size);
int relobox_image_write(const struct relobox_image *image, const char *file);
struct relobox_loaded *relobox_loaded_ref(struct relobox_loaded *loaded);
struct relobox_loaded *relobox_loaded_unref(struct relobox_loaded *loaded);
int relobox_loaded_result(const struct relobox_loaded *loaded,
                          struct relobox_load_result *result,
                          size_t size);
size_t relobox_loaded_area_count(const struct relobox_loaded *loaded);
int relobox_loaded_area(const struct relobox_loaded *loaded,
                        size_t index,
                        struct relobox_area *result,
                        size_t size);
size_t relobox_loaded_use_count(const struct relobox_loaded *loaded);
const char *relobox_loaded_use(const struct relobox_loaded *loaded,
                               size_t index);
size_t relobox_loaded_unknown_count(const struct relobox_loaded *loaded);
const char *relobox_loaded_unknown(const struct relobox_loaded *loaded,
                                   size_t index);
int relobox_plugins_list(struct relobox_context *context, struct relobox_plugins **plugins);
struct relobox_plugins *relobox_plugins_ref(struct relobox_plugins *plugins);
struct relobox_plugins *relobox_plugins_unref(struct relobox_plugins *plugins);
size_t relobox_plugins_count(const struct relobox_plugins *plugins);
int relobox_plugins_get(const struct relobox_plugins *plugins,
                        size_t index,
                        struct relobox_plugin *result,
                        size_t size);
"""

_ffi = cffi.FFI()
_ffi.cdef(_DECLARATIONS)
_lib = _ffi.dlopen("librelobox.so.1")

Path = Union[str, bytes, "os.PathLike[str]"]


def _bytes(text: Path) -> bytes:
    return os.fsencode(text)


def _text(pointer) -> Optional[str]:
    return None if pointer == _ffi.NULL else _ffi.string(pointer).decode("utf-8", "surrogateescape")


def _all(of, get, kind: str):
    """Yields structures of this kind until there is none of the next index."""
    index = 0
    while True:
        out = _ffi.new(f"struct relobox_{kind} *")
        if get(of, index, out, _ffi.sizeof(out[0])) != 0:
            return
        yield out
        index += 1


def _names(of, count, get) -> List[str]:
    return [_text(get(of, index)) or "" for index in range(count(of))]


@dataclass(frozen=True)
class Diagnostic:
    """One thing that is wrong. What is not known is None."""

    kind: str
    message: str
    file: Optional[str]
    section: Optional[str]
    offset: Optional[int]
    relocation: Optional[str]
    symbol: Optional[str]
    defined_in: Optional[str]
    value: Optional[int]
    min: Optional[int]
    max: Optional[int]
    text: Optional[str]
    hint: Optional[str]


class Error(OSError):
    """A call failed: `errno` says how, `diagnostics` say why."""

    def __init__(self, number: int, message: str, diagnostics: List[Diagnostic]):
        super().__init__(number, message or os.strerror(number))
        self.diagnostics = diagnostics


class Section(NamedTuple):
    """A section in memory. Its contents are None for zeros (.bss), and before it is linked."""

    name: str
    address: int
    size: int
    align: int
    writable: bool
    executable: bool
    synthetic: bool
    relocations: int
    contents: Optional[bytes]


class Area(NamedTuple):
    """Memory of one kind."""

    kind: str
    address: int
    size: int
    align: int


class Symbol(NamedTuple):
    """A symbol that a module exports or needs."""

    name: str
    namespace: Optional[str]
    crc: Optional[int]
    gpl: bool
    weak: bool


class Plugin(NamedTuple):
    """A plugin that a context finds."""

    name: str
    sha256: str
    path: Optional[str]
    machines: List[str]
    built_in: bool
    pinned: bool
    chosen: bool
    compiled: bool


def _sections(of, get) -> List[Section]:
    sections = []
    for s in _all(of, get, "section"):
        contents = None if s.contents == _ffi.NULL else bytes(_ffi.buffer(s.contents, s.size))
        flags = [
            bool(s.flags & bit)
            for bit in (
                _lib.RELOBOX_SECTION_FLAG_WRITE,
                _lib.RELOBOX_SECTION_FLAG_EXEC,
                _lib.RELOBOX_SECTION_FLAG_SYNTHETIC,
            )
        ]
        sections.append(Section(_text(s.name) or "", s.address, s.size, s.align, *flags, s.relocations, contents))
    return sections


def _areas(of, get) -> List[Area]:
    return [Area(_text(a.kind) or "", a.address, a.size, a.align) for a in _all(of, get, "area")]


def _symbols(of, get) -> List[Symbol]:
    return [
        Symbol(
            _text(s.name) or "",
            _text(s.symbol_namespace),
            s.crc if s.has & _lib.RELOBOX_HAS_CRC else None,
            bool(s.flags & _lib.RELOBOX_SYMBOL_FLAG_GPL),
            bool(s.flags & _lib.RELOBOX_SYMBOL_FLAG_WEAK),
        )
        for s in _all(of, get, "symbol")
    ]


def _diagnostics(of) -> List[Diagnostic]:
    found = []
    for d in _all(of, _lib.relobox_diagnostics_get, "diagnostic"):

        def number(name, bit, d=d):
            return getattr(d, name) if d.has & bit else None

        found.append(
            Diagnostic(
                _text(d.kind) or "other",
                _text(d.message) or "",
                _text(d.file),
                _text(d.section),
                number("offset", _lib.RELOBOX_HAS_OFFSET),
                _text(d.relocation),
                _text(d.symbol),
                _text(d.defined_in),
                number("value", _lib.RELOBOX_HAS_VALUE),
                number("min", _lib.RELOBOX_HAS_MIN),
                number("max", _lib.RELOBOX_HAS_MAX),
                _text(d.text),
                _text(d.hint),
            )
        )
    return found


class Context:
    """Settings, plugins, and the process that links. It ends with the `with` block, or with its last object."""

    def __init__(self, linker: Optional[Path] = None, pins: Optional[Path] = None):
        self._c = _ffi.gc(_lib.relobox_context_new(), _lib.relobox_context_unref)
        if linker is not None:
            self._done(_lib.relobox_context_set_linker(self._c, _bytes(linker)))
        if pins is not None:
            self._done(_lib.relobox_context_set_pins(self._c, _bytes(pins)))

    def __enter__(self) -> "Context":
        return self

    def __exit__(self, *_) -> None:
        _ffi.release(self._c)

    def _done(self, result: int) -> None:
        if result < 0:
            error = _ffi.gc(_lib.relobox_context_error(self._c), _lib.relobox_diagnostics_unref)
            raise Error(-result, _text(_lib.relobox_diagnostics_text(error)) or "", _diagnostics(error))

    def _made(self, kind: str, make, *args):
        """Calls a function that makes an object, which is given back when Python no longer has it."""
        out = _ffi.new(f"struct relobox_{kind} **")
        self._done(make(*args, out))
        return _ffi.gc(out[0], getattr(_lib, f"relobox_{kind}_unref"))

    def add_plugin_directory(self, directory: Path) -> None:
        """Searches this directory for plugins, too."""
        self._done(_lib.relobox_context_add_plugin_directory(self._c, _bytes(directory)))

    def choose_plugin(self, plugin: str) -> None:
        """Uses this plugin if several link the same machine: a name, a digest or a file."""
        self._done(_lib.relobox_context_choose_plugin(self._c, plugin.encode()))

    def set_input(self, name: str, value: int) -> None:
        """Sets a number that plugins ask for."""
        self._done(_lib.relobox_context_set_input(self._c, name.encode(), value))

    def pin(self, plugin: str, comment: str = "") -> None:
        """Pins a plugin. `relobox plugin compile` compiles it."""
        self._done(_lib.relobox_context_pin(self._c, plugin.encode(), comment.encode()))

    def unpin(self, plugin: str) -> None:
        """Removes the pins of this name or digest."""
        self._done(_lib.relobox_context_unpin(self._c, plugin.encode()))

    def plugins(self) -> List[Plugin]:
        """Lists the plugins: those that are built in, then those in files."""
        found = self._made("plugins", _lib.relobox_plugins_list, self._c)
        bits = [
            _lib.RELOBOX_PLUGIN_FLAG_BUILT_IN,
            _lib.RELOBOX_PLUGIN_FLAG_PINNED,
            _lib.RELOBOX_PLUGIN_FLAG_CHOSEN,
            _lib.RELOBOX_PLUGIN_FLAG_COMPILED,
        ]
        plugins = []
        for p in _all(found, _lib.relobox_plugins_get, "plugin"):
            machines = [machine for machine in (_text(p.machines) or "").split(",") if machine]
            flags = [bool(p.flags & bit) for bit in bits]
            plugins.append(Plugin(_text(p.name) or "", _text(p.sha256) or "", _text(p.path), machines, *flags))
        return plugins

    def symbols(self, *files: Path) -> "Symbols":
        """Makes a table of symbols, from symbol files."""
        symbols = Symbols(self)
        for file in files:
            symbols.read(file)
        return symbols

    def module(self, file: Path, contents: Optional[bytes] = None) -> "Module":
        """Reads a module: the file, or these contents under its name."""
        return Module(self, file, contents)

    def remove(self, name: str) -> None:
        """Removes a module from this machine's kernel."""
        self._done(_lib.relobox_context_remove(self._c, name.encode()))


class Symbols:
    """Symbols with their addresses."""

    def __init__(self, context: Context):
        self._context = context
        self._c = context._made("symbols", _lib.relobox_symbols_new, context._c)

    def read(self, file: Path) -> None:
        """Adds those of System.map, /proc/kallsyms or Module.symvers, also compressed."""
        self._context._done(_lib.relobox_symbols_read_file(self._c, _bytes(file)))

    def __setitem__(self, name: str, address: int) -> None:
        self._context._done(_lib.relobox_symbols_add(self._c, _bytes(name), address))

    def __getitem__(self, name: str) -> int:
        address = _ffi.new("uint64_t *")
        result = _lib.relobox_symbols_lookup(self._c, _bytes(name), address)
        if result in (-2, -61):  # ENOENT, ENODATA: no such symbol, or without an address.
            raise KeyError(name)
        self._context._done(result)
        return address[0]

    def __len__(self) -> int:
        count = _ffi.new("uint64_t *")
        self._context._done(_lib.relobox_symbols_count(self._c, count))
        return count[0]


class Module:
    """The file of a module, as it was when it was read."""

    def __init__(self, context: Context, file: Path, contents: Optional[bytes]):
        self._context = context
        if contents is None:
            self._c = context._made("module", _lib.relobox_module_open, context._c, _bytes(file))
        else:
            args = (context._c, _bytes(file), _ffi.from_buffer("uint8_t[]", contents), len(contents))
            self._c = context._made("module", _lib.relobox_module_from_memory, *args)

    def inspect(self) -> "Info":
        """Tells what is in it."""
        return Info(self._context._made("info", _lib.relobox_module_inspect, self._c))

    def check(self, symbols: Optional[Symbols] = None) -> None:
        """Raises Error if it does not link."""
        self._context._done(_lib.relobox_module_check(self._c, symbols._c if symbols else _ffi.NULL))

    def link(
        self, symbols: Optional[Symbols] = None, base: int = 0, sections: Optional[Dict[str, int]] = None
    ) -> "Image":
        """Links it at a base, or where Linux usually puts modules; and these sections at these addresses."""
        names = [_ffi.new("char[]", _bytes(name)) for name in sections or {}]
        exact = _ffi.new("struct relobox_placement[]", list(zip(names, (sections or {}).values())))
        args = (self._c, symbols._c if symbols else _ffi.NULL, base, exact, len(names))
        return Image(self._context, self._context._made("image", _lib.relobox_module_link, *args))

    def insert(self, parameters: str = "", kernel: str = "auto") -> "Loaded":
        """Has this machine's kernel load it. The kernel is `auto`, `device` or `vet`."""
        choice = getattr(_lib, f"RELOBOX_KERNEL_{kernel.upper()}")
        make = _lib.relobox_module_insert
        return Loaded(self._context._made("loaded", make, self._c, choice, parameters.encode()))


class Info:
    """What is in a module."""

    def __init__(self, found):
        machine = _ffi.new("struct relobox_machine *")
        _lib.relobox_info_machine(found, machine, _ffi.sizeof(machine[0]))
        self.machine: int = machine.machine
        self.bits: int = machine.bits
        self.big_endian = bool(machine.big_endian)
        self.flags: int = machine.flags
        self.plugin = _text(machine.plugin)
        self.signature: int = machine.signature
        entries = _all(found, _lib.relobox_info_modinfo, "modinfo_entry")
        self.modinfo: List[Tuple[str, str]] = [(_text(e.key) or "", _text(e.value) or "") for e in entries]
        self.sections = _sections(found, _lib.relobox_info_section)
        self.exports = _symbols(found, _lib.relobox_info_export)
        self.undefined = _symbols(found, _lib.relobox_info_undefined)
        types = _all(found, _lib.relobox_info_relocation, "relocation_count")
        self.relocations: Dict[str, int] = {_text(t.name) or "": t.count for t in types}


class Image:
    """A linked module."""

    def __init__(self, context: Context, image):
        self._context = context
        self._c = image
        self.plugin = _text(_lib.relobox_image_plugin(image))
        self.relocations: int = _lib.relobox_image_relocations(image)
        self.sections = _sections(image, _lib.relobox_image_section)
        self.areas = _areas(image, _lib.relobox_image_area)
        self.uses = _names(image, _lib.relobox_image_use_count, _lib.relobox_image_use)
        self.left = _names(image, _lib.relobox_image_left_count, _lib.relobox_image_left)

    def read(self, address: int, size: int) -> bytes:
        """Returns bytes of its memory."""
        buffer = _ffi.new("uint8_t[]", max(size, 1))
        result = _lib.relobox_image_read(self._c, address, buffer, size)
        if result < 0:
            raise Error(-result, f"{size} bytes at {address:#x} are not in the module's memory", [])
        return bytes(_ffi.buffer(buffer, size))

    def elf(self) -> bytes:
        """Returns the linked ELF file."""
        size = _ffi.new("size_t *")
        return bytes(_ffi.buffer(_lib.relobox_image_elf(self._c, size), size[0]))

    def write(self, file: Path) -> None:
        """Writes the linked ELF file."""
        result = _lib.relobox_image_write(self._c, _bytes(file))
        if result < 0:
            raise Error(-result, f"{os.fsdecode(file)}: {os.strerror(-result)}", [])


class Loaded:
    """A module that the kernel has loaded."""

    def __init__(self, loaded):
        result = _ffi.new("struct relobox_load_result *")
        _lib.relobox_loaded_result(loaded, result, _ffi.sizeof(result[0]))
        self.name = _text(result.name)
        self.mode = _text(result.mode)
        self.plugin = _text(result.plugin)
        self.relocations: int = result.relocations
        self.returned: int = result.returned
        self.areas = _areas(loaded, _lib.relobox_loaded_area)
        self.uses = _names(loaded, _lib.relobox_loaded_use_count, _lib.relobox_loaded_use)
        self.unknown = _names(loaded, _lib.relobox_loaded_unknown_count, _lib.relobox_loaded_unknown)
