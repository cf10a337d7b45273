"""Links a sample, and looks at everything: links.py OBJECT SYSTEM.MAP TEXTFILE OUTPUT."""

import errno
import sys

import relobox

BASE = 0xFFFFFFFFC0400000


def fails(number, call, *args, **named):
    try:
        call(*args, **named)
    except relobox.Error as error:
        assert error.errno == number, error
        return error
    raise AssertionError(f"{call} does not fail")


def main(file, system_map, no_map, output):
    with relobox.Context() as context:
        symbols = context.symbols(system_map)
        assert len(symbols) == 2 and symbols["printk"] == 0xFFFFFFFF81234550
        symbols["own"] = 1 << 63
        assert symbols["own"] == 1 << 63
        try:
            symbols["no such"]
        except KeyError:
            pass
        else:
            raise AssertionError("a symbol of no file")
        error = fails(errno.EINVAL, symbols.read, no_map)
        assert [d.kind for d in error.diagnostics] == ["usage"] and str(error).count(no_map) == 1, error
        module = context.module(file)
        info = module.inspect()
        assert (info.machine, info.bits, info.big_endian, info.plugin) == (62, 64, False, "x86_64")
        assert ("name", "sample") in info.modinfo and [s.name for s in info.undefined] == ["printk"]
        assert sum(info.relocations.values()) == sum(s.relocations for s in info.sections) >= 3
        image = module.link(symbols, base=BASE)
        sections = {section.name: section for section in image.sections}
        text = sections[".text"]
        assert text.address == BASE and text.executable and not text.writable and len(text.contents) == text.size
        assert image.read(BASE, text.size) == text.contents and sections[".bss"].contents is None
        assert image.relocations >= 3 and image.plugin == "x86_64" and image.areas[0].kind == "text"
        assert fails(errno.ERANGE, image.read, 0, 1).diagnostics == []
        image.write(output)
        with open(output, "rb") as written:
            assert written.read() == image.elf() and image.elf().startswith(b"\x7fELF")
        exact = module.link(symbols, base=BASE, sections={".text": BASE + 0x10000})
        assert exact.read(BASE + 0x10000, 1) == text.contents[:1]
        error = fails(errno.ENOEXEC, module.link, symbols, base=0x100000000)
        far = [d for d in error.diagnostics if d.symbol == "printk"]
        assert far and far[0].kind == "out-of-range" and not far[0].min <= far[0].value <= far[0].max, error
        assert far[0].section == ".text" and far[0].offset > 0 and far[0].hint, far
        module.check(symbols)
        with open(file, "rb") as contents:
            context.module("copy.o", contents.read()).check()
        fails(errno.ENOEXEC, context.module("none.ko", bytes(64)).check)
        assert any(p.name == "riscv64" and p.built_in and p.compiled for p in context.plugins())
        fails(errno.ENOENT, context.module, "/no/such/file")
    print("fine")


main(*sys.argv[1:])
