// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Makes hostile modules out of a good one.
 *
 *   bend MODULE.ko DIRECTORY
 *
 * Writes DIRECTORY/NAME.ko for each way to bend, and DIRECTORY/index with a line "NAME<tab>what is wrong" for each.
 * The module must be an uncompressed little-endian 64-bit one, with the sections that every module of Linux has.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char *file;
static size_t size, original_size;
static Elf64_Ehdr *header;
static Elf64_Shdr *sections;

static void die(const char *what)
{
	fprintf(stderr, "bend: %s\n", what);
	exit(1);
}

static Elf64_Shdr *section(const char *name)
{
	const char *names = (const char *)file + sections[header->e_shstrndx].sh_offset;
	for (int i = 1; i < header->e_shnum; i++)
		if (!strcmp(names + sections[i].sh_name, name))
			return &sections[i];
	fprintf(stderr, "bend: there is no section %s\n", name);
	exit(1);
}

static Elf64_Rela *relocation(int i)
{
	return (Elf64_Rela *)(file + section(".rela.text")->sh_offset) + i;
}

static void set_symbol(Elf64_Rela *r, Elf64_Xword symbol)
{
	r->r_info = ELF64_R_INFO(symbol, ELF64_R_TYPE(r->r_info));
}

static void set_type(Elf64_Rela *r, Elf64_Xword type)
{
	r->r_info = ELF64_R_INFO(ELF64_R_SYM(r->r_info), type);
}

static Elf64_Sym *symbol(int i)
{
	return (Elf64_Sym *)(file + section(".symtab")->sh_offset) + i;
}

/* The first symbol that is defined in a section (yes), or in none. */
static Elf64_Sym *symbol_that_is(int defined)
{
	int count = section(".symtab")->sh_size / sizeof(Elf64_Sym);
	for (int i = 1; i < count; i++) {
		Elf64_Sym *s = symbol(i);
		if (s->st_name && (defined ? s->st_shndx > 0 && s->st_shndx < header->e_shnum : !s->st_shndx))
			return s;
	}
	die("there is no such symbol");
	return NULL;
}

/* Relocations. */
static void reloc_far(void) { relocation(0)->r_offset = 0x40000000; }
static void reloc_negative(void) { relocation(0)->r_offset = -0x40000000LL; }
static void reloc_end(void) { relocation(0)->r_offset = section(".text")->sh_size + 8; }
static void reloc_straddles(void) { relocation(0)->r_offset = section(".text")->sh_size - 1; }
static void reloc_symbol(void) { set_symbol(relocation(0), 0xffffff); }
static void reloc_symbol_end(void) { set_symbol(relocation(0), section(".symtab")->sh_size / sizeof(Elf64_Sym)); }
static void reloc_type(void) { set_type(relocation(0), 0xff); }
static void reloc_type_dynamic(void) { set_type(relocation(0), R_X86_64_COPY); }
static void reloc_overflow(void) { relocation(0)->r_addend = 0x7fffffff0000LL; }
static void reloc_link(void) { section(".rela.text")->sh_link = 0xffff; }
static void reloc_link_other(void) { section(".rela.text")->sh_link = section(".strtab") - sections; }
static void reloc_info(void) { section(".rela.text")->sh_info = 0xffff; }
static void reloc_info_unallocated(void) { section(".rela.text")->sh_info = section(".comment") - sections; }
static void reloc_info_itself(void) { section(".rela.text")->sh_info = section(".rela.text") - sections; }
static void reloc_info_headers(void) { section(".rela.text")->sh_info = section(".symtab") - sections; }
static void reloc_size(void) { section(".rela.text")->sh_size -= 7; }
static void reloc_entsize(void) { section(".rela.text")->sh_entsize = 8; }
static void reloc_unaligned(void) { section(".rela.text")->sh_offset += 1; }
static void reloc_offset(void) { section(".rela.text")->sh_offset = 0xfffffffffffffff0ULL; }
static void reloc_as_rel(void) { section(".rela.text")->sh_type = SHT_REL; }

/* Symbols. */
static void symbol_name(void) { symbol_that_is(0)->st_name = 0x7fffffff; }
static void symbol_name_end(void) { symbol_that_is(0)->st_name = section(".strtab")->sh_size; }
static void symbol_section(void) { symbol_that_is(1)->st_shndx = 0xfe00; }
static void symbol_section_end(void) { symbol_that_is(1)->st_shndx = header->e_shnum; }
static void symbol_section_unallocated(void)
{
	symbol(ELF64_R_SYM(relocation(0)->r_info))->st_shndx = section(".comment") - sections;
}
static void symbol_common(void) { symbol_that_is(0)->st_shndx = SHN_COMMON; }
static void symbol_size(void) { section(".symtab")->sh_size -= 5; }
static void symtab_link(void) { section(".symtab")->sh_link = 0xfffe; }
static void symtab_link_huge(void) { section(".symtab")->sh_link = 0x7fffffff; }
static void symtab_none(void) { section(".symtab")->sh_type = SHT_PROGBITS; }
static void symtab_two(void) { section(".comment")->sh_type = SHT_SYMTAB; }
static void strtab_unterminated(void)
{
	Elf64_Shdr *s = section(".strtab");
	file[s->sh_offset + s->sh_size - 1] = 'x';
}

/* Sections. */
static void section_size(void) { section(".text")->sh_size = 0x10000000; }
static void section_size_wraps(void) { section(".text")->sh_size = 0xfffffffffffff000ULL; }
static void section_offset(void) { section(".text")->sh_offset = size - 16; }
static void section_name(void) { section(".text")->sh_name = 0x7fffffff; }
static void section_align(void) { section(".text")->sh_addralign = 0x8000000000000000ULL; }
static void section_align_odd(void) { section(".text")->sh_addralign = 3; }
static void section_writable_code(void) { section(".text")->sh_flags |= SHF_WRITE; }
static void section_executable_data(void) { section(".data")->sh_flags |= SHF_EXECINSTR; }
static void bss_wraps(void) { section(".bss")->sh_size = 0xfffffffffffff000ULL; }
static void bss_huge(void) { section(".bss")->sh_size = 0x4000000000ULL; }
static void shstrtab_unterminated(void)
{
	Elf64_Shdr *s = section(".shstrtab");
	file[s->sh_offset + s->sh_size - 1] = 'x';
}
static void modinfo_unterminated(void) { section(".modinfo")->sh_size -= 1; }
static void modinfo_none(void) { section(".modinfo")->sh_size = 0; }
static void versions_size(void) { section("__versions")->sh_size -= 13; }
static void versions_unterminated(void)
{
	memset(file + section("__versions")->sh_offset + 8, 'x', 56);
}
static void module_short(void) { section(".gnu.linkonce.this_module")->sh_size = 8; }
static void module_long(void) { section(".gnu.linkonce.this_module")->sh_size += 0x10000; }

/* The header, the whole file. */
static void header_count(void) { header->e_shnum = 0xfeff; }
static void header_count_one_more(void) { header->e_shnum += 1; }
static void header_names(void) { header->e_shstrndx = 0xfefe; }
static void header_offset(void) { header->e_shoff = 0xffffffffffffffc0ULL; }
static void header_entsize(void) { header->e_shentsize = 0; }
static void header_machine(void) { header->e_machine = EM_AARCH64; }
static void header_class(void) { header->e_ident[EI_CLASS] = ELFCLASS32; }
static void header_order(void) { header->e_ident[EI_DATA] = ELFDATA2MSB; }
static void header_type(void) { header->e_type = ET_DYN; }
static void cut_half(void) { size /= 2; }
static void cut_header(void) { size = 40; }
static void cut_all(void) { size = 0; }

static const struct {
	const char *name;
	void (*bend)(void);
	const char *what;
} ways[] = {
	{ "reloc-far", reloc_far, "r_offset 1 GiB past the end of its section" },
	{ "reloc-negative", reloc_negative, "r_offset 1 GiB before its section" },
	{ "reloc-end", reloc_end, "r_offset 8 bytes past the end of its section" },
	{ "reloc-straddles", reloc_straddles, "a field that straddles the end of its section" },
	{ "reloc-symbol", reloc_symbol, "symbol index 0xffffff" },
	{ "reloc-symbol-end", reloc_symbol_end, "symbol index one past the symbol table" },
	{ "reloc-type", reloc_type, "an unknown relocation type" },
	{ "reloc-type-dynamic", reloc_type_dynamic, "a type that only dynamic linkers know" },
	{ "reloc-overflow", reloc_overflow, "an addend that overflows the field" },
	{ "reloc-link", reloc_link, "a relocation section whose sh_link is out of range" },
	{ "reloc-link-other", reloc_link_other, "a relocation section whose sh_link is no symbol table" },
	{ "reloc-info", reloc_info, "a relocation section whose sh_info is out of range" },
	{ "reloc-info-unallocated", reloc_info_unallocated, "text's relocations aimed at a section that is not loaded" },
	{ "reloc-info-itself", reloc_info_itself, "a relocation section that relocates itself" },
	{ "reloc-info-symtab", reloc_info_headers, "a relocation section that relocates the symbol table" },
	{ "reloc-size", reloc_size, "a relocation section that ends inside an entry" },
	{ "reloc-entsize", reloc_entsize, "a relocation section with the wrong entry size" },
	{ "reloc-unaligned", reloc_unaligned, "a relocation section one byte further on" },
	{ "reloc-offset", reloc_offset, "a relocation section whose end wraps around" },
	{ "reloc-as-rel", reloc_as_rel, "RELA entries called REL" },
	{ "symbol-name", symbol_name, "st_name far past the string table" },
	{ "symbol-name-end", symbol_name_end, "st_name one past the string table" },
	{ "symbol-section", symbol_section, "st_shndx 0xfe00" },
	{ "symbol-section-end", symbol_section_end, "st_shndx one past the last section" },
	{ "symbol-section-unallocated", symbol_section_unallocated, "text refers to a section that is not loaded" },
	{ "symbol-common", symbol_common, "a common symbol" },
	{ "symbol-size", symbol_size, "a symbol table that ends inside an entry" },
	{ "symtab-link", symtab_link, "a symbol table whose sh_link is out of range" },
	{ "symtab-link-huge", symtab_link_huge, "a symbol table whose sh_link is 2^31-1" },
	{ "symtab-none", symtab_none, "no symbol table" },
	{ "symtab-two", symtab_two, "two symbol tables" },
	{ "strtab-unterminated", strtab_unterminated, "a string table without its last NUL" },
	{ "section-size", section_size, "a section that ends past the file's end" },
	{ "section-size-wraps", section_size_wraps, "a section whose end wraps around" },
	{ "section-offset", section_offset, "a section that begins shortly before the file's end" },
	{ "section-name", section_name, "sh_name far past the names" },
	{ "section-align", section_align, "sh_addralign 2^63" },
	{ "section-align-odd", section_align_odd, "sh_addralign 3" },
	{ "section-writable-code", section_writable_code, "writable code" },
	{ "section-executable-data", section_executable_data, "executable data" },
	{ "bss-wraps", bss_wraps, ".bss that makes the module's size wrap around" },
	{ "bss-huge", bss_huge, ".bss of 256 GiB" },
	{ "shstrtab-unterminated", shstrtab_unterminated, "section names without their last NUL" },
	{ "modinfo-unterminated", modinfo_unterminated, ".modinfo without its last NUL" },
	{ "modinfo-none", modinfo_none, ".modinfo of no bytes" },
	{ "versions-size", versions_size, "__versions that ends inside an entry" },
	{ "versions-unterminated", versions_unterminated, "__versions with a name that does not end" },
	{ "module-short", module_short, ".gnu.linkonce.this_module of 8 bytes" },
	{ "module-long", module_long, ".gnu.linkonce.this_module of 64 KiB more" },
	{ "header-count", header_count, "e_shnum 0xfeff" },
	{ "header-count-one-more", header_count_one_more, "e_shnum one too many, the file ends with the headers" },
	{ "header-names", header_names, "e_shstrndx out of range" },
	{ "header-offset", header_offset, "e_shoff that wraps around" },
	{ "header-entsize", header_entsize, "e_shentsize 0" },
	{ "header-machine", header_machine, "another machine's" },
	{ "header-class", header_class, "ELFCLASS32" },
	{ "header-order", header_order, "big-endian" },
	{ "header-type", header_type, "ET_DYN" },
	{ "cut-half", cut_half, "half of the file" },
	{ "cut-header", cut_header, "40 bytes of the file" },
	{ "cut-all", cut_all, "an empty file" },
};

static FILE *open_in(const char *directory, const char *name, const char *suffix)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s%s", directory, name, suffix);
	FILE *out = fopen(path, "wb");
	if (!out)
		die(strerror(errno));
	return out;
}

/* The kernel would only see that the signature no longer fits, so the changed module has none. */
static void strip_signature(const unsigned char *module)
{
	static const char mark[] = "~Module signature appended~\n";
	const size_t length = sizeof(mark) - 1, trailer = 12;
	if (original_size < length + trailer || memcmp(module + original_size - length, mark, length))
		return;
	const unsigned char *bytes = module + original_size - length - 4;
	size_t signature = (size_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
	if (signature > original_size - length - trailer)
		die("the signature is longer than the module");
	original_size -= length + trailer + signature;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: bend MODULE.ko DIRECTORY\n");
		return 2;
	}
	FILE *in = fopen(argv[1], "rb");
	if (!in)
		die(strerror(errno));
	static unsigned char original[1 << 20];
	original_size = fread(original, 1, sizeof(original), in);
	const Elf64_Ehdr *read = (const void *)original;
	if (original_size < sizeof(*read) || original_size == sizeof(original) ||
	    memcmp(read->e_ident, ELFMAG, SELFMAG) || read->e_ident[EI_CLASS] != ELFCLASS64)
		die("this is no small 64-bit module");
	strip_signature(original);
	file = malloc(sizeof(original));
	FILE *index = open_in(argv[2], "index", "");
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		memcpy(file, original, original_size);
		size = original_size;
		header = (Elf64_Ehdr *)file;
		sections = (Elf64_Shdr *)(file + header->e_shoff);
		ways[i].bend();
		FILE *out = open_in(argv[2], ways[i].name, ".ko");
		if (fwrite(file, 1, size, out) != size || fclose(out))
			die("a module could not be written");
		fprintf(index, "%s\t%s\n", ways[i].name, ways[i].what);
	}
	return fclose(index) ? 1 : 0;
}
