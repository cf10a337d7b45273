//! Scenarios made at random: the same number makes the same scenario.

use super::scenario::{COMMAND_END, DIRECTORIES, File, Kind, Line, Mode, Module, Query, Scenario};

/// A generator of numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

const WORDS: [&str; 12] =
    ["alpha", "beta", "gamma", "delta", "snd", "net", "crc32c", "x", "usbhid", "fs", "zeta", "alphabet"];

/// Patterns of modules' aliases, and of the configuration's.
const PATTERNS: [&str; 20] = [
    "pci:v00008086d0000*sv*sd*bc02sc*i*",
    "pci:v00008086d00001[0-9a-f]00sv*sd*bc*sc*i*",
    "pci:v*d*sv*sd*bc02sc00i*",
    "usb:v1234p[0-9]*",
    "usb:v1234p5678",
    "fs-ext[!9]",
    "fs-*",
    "net-pf-1?",
    "net-pf-10",
    "char-major-10-[0-9]*",
    "of:N*T*Cvendor,dev-1",
    "of:N*T*Cvendor,dev-1C*",
    "my-alias",
    "my_alias",
    "my?alias",
    "*",
    "a*-*",
    "core-alias",
    "unmatched[1",
    "unmatched]",
];

/// What such patterns are for.
const ALIASES: [&str; 14] = [
    "pci:v00008086d00001000sv00001AF4sd00000001bc02sc00i00",
    "pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00",
    "usb:v1234p5678",
    "usb:v1234p9",
    "fs-ext4",
    "fs-ext9",
    "net-pf-10",
    "net-pf-11",
    "char-major-10-200",
    "of:NxT1Cvendor,dev-1",
    "of:NxT1Cvendor,dev-1Cother",
    "my-alias",
    "my-xalias",
    "core-alias",
];

/// Names that nothing has, and names that are no names.
const ODD: [&str; 13] = [
    "missing",
    "no-such-module",
    "off",
    "core_part",
    "odd[name",
    "odd]name",
    "odd[a-b]name",
    "a name",
    "quo'te",
    "quo\"te",
    "h\u{e9}llo",
    "../alpha",
    "with.dot",
];

/// Makes scenario number `seed`.
#[must_use]
pub fn scenario(seed: u64) -> Scenario {
    let mut maker = Maker { random: Random(seed), names: Vec::new(), built_in: Vec::new() };
    let modules = maker.modules();
    let built_in = maker.built_in();
    let files = maker.files();
    let command_line = maker.command_line();
    let live = maker.live(&modules);
    let count = 6 + maker.random.below(6);
    let queries = (0..count).map(|_| maker.query()).collect();
    Scenario { seed, version: "6.1.0-test", modules, built_in, files, command_line, live, queries }
}

struct Maker {
    random: Random,
    /// The names of the modules.
    names: Vec<String>,
    /// The names of the built-in modules.
    built_in: Vec<String>,
}

impl Maker {
    fn modules(&mut self) -> Vec<Module> {
        let mut modules: Vec<Module> = Vec::new();
        for _ in 0..4 + self.random.below(10) {
            let mut file = self.random.pick(&WORDS).to_owned();
            if self.random.percent(50) {
                file += self.random.pick(&["-", "_"]);
                file += self.random.pick(&WORDS);
            }
            let name = file.replace('-', "_");
            if !self.names.contains(&name) {
                let directory = self.random.pick(&["kernel/fs", "kernel/drivers/net-x", "updates", "extra"]);
                let ending = if self.random.percent(5) { ".v2.ko" } else { ".ko" };
                let uses = self.names.iter().filter(|_| self.random.percent(20)).cloned().collect();
                self.names.push(name.clone());
                let missing = self.random.percent(2);
                modules.push(Module {
                    name,
                    path: format!("{directory}/{file}{ending}"),
                    uses,
                    info: Vec::new(),
                    missing,
                });
            }
        }
        for module in &mut modules {
            for _ in 0..self.random.below(4) {
                module.info.push(format!("alias={}", self.random.pick(&PATTERNS)));
            }
            if self.random.percent(5) {
                module.info.push(format!("alias={}", self.reference()));
            }
            if self.random.percent(20) {
                module.info.push(format!("softdep={}", self.softdeps()));
            }
            if self.random.percent(10) {
                module.info.push(format!("weakdep={}", self.references()));
            }
        }
        modules
    }

    fn built_in(&mut self) -> Vec<(String, Vec<String>)> {
        let mut all = Vec::new();
        for name in ["ext4", "tcp_cubic", "printk_part"] {
            if self.random.percent(70) {
                all.push((name.to_owned(), Vec::new()));
            }
        }
        // A module that was built for a kernel that has it.
        if self.random.percent(15) {
            all.push((self.module(), Vec::new()));
        }
        for (_, aliases) in &mut all {
            if self.random.percent(60) {
                aliases.push(self.random.pick(&PATTERNS[..17]).to_owned());
            }
        }
        self.built_in = all.iter().map(|(name, _)| name.clone()).collect();
        all
    }

    /// The name of a module, with other dashes or not.
    fn module(&mut self) -> String {
        let at = self.random.below(self.names.len());
        self.names[at].clone()
    }

    /// A word that may stand for a module.
    fn reference(&mut self) -> String {
        match self.random.below(100) {
            0..55 => {
                let name = self.module();
                if self.random.percent(40) { name.replace('_', "-") } else { name }
            }
            55..75 => self.random.pick(&ALIASES).to_owned(),
            75..83 if !self.built_in.is_empty() => self.built_in[self.random.below(self.built_in.len())].clone(),
            83..88 => format!("symbol:sym_{}", self.module()),
            88..92 => format!("own-alias-{}", self.random.below(4)),
            _ => self.random.pick(&ODD).to_owned(),
        }
    }

    fn references(&mut self) -> String {
        let count = 1 + self.random.below(3);
        let mut words: Vec<String> = (0..count).map(|_| self.reference()).collect();
        words.retain(|word| !word.contains(' '));
        words.join(self.random.pick(&[" ", " ", "  ", "\t"]))
    }

    fn softdeps(&mut self) -> String {
        let (pre, post) = (self.references(), self.references());
        match self.random.below(6) {
            0 => format!("pre: {pre} post: {post}"),
            1 => format!("post: {post}"),
            2 => pre,
            3 => format!("post: {post} pre: {pre}  post: {pre}"),
            _ => format!("pre: {pre}"),
        }
    }

    fn files(&mut self) -> Vec<File> {
        let names = ["a.conf", "b.conf", "10-c.conf", "Z.conf", ".hidden.conf", "d.alias", "e", ".conf", "f.conf"];
        let mut files: Vec<File> = Vec::new();
        for _ in 0..2 + self.random.below(5) {
            let directory = self.random.pick(&DIRECTORIES[..3]);
            let name = self.random.pick(&names).to_owned();
            if !files.iter().any(|file| file.directory == directory && file.name == name) {
                let kind = match self.random.below(20) {
                    0 => Kind::Link("/dev/null"),
                    1 => Kind::Link("nothing"),
                    2 => Kind::Directory,
                    _ => self.text(),
                };
                files.push(File { directory, name, kind });
            }
        }
        if self.random.percent(15) {
            files.push(File { directory: DIRECTORIES[3], name: String::new(), kind: self.text() });
        }
        files
    }

    fn text(&mut self) -> Kind {
        let count = 1 + self.random.below(8);
        let end = if self.random.percent(4) { "\r\n" } else { "\n" };
        Kind::Text((0..count).map(|_| self.line()).collect(), end)
    }

    fn gap(&mut self) -> String {
        self.random.pick(&[" ", " ", " ", " ", " ", " ", "\t", "  ", " \\\n", " \\\n  "]).to_owned()
    }

    fn line(&mut self) -> Line {
        let known = ["alias", "options", "blacklist", "install", "remove", "softdep", "softdep", "weakdep"];
        let command = match self.random.below(100) {
            0..2 => return Line::plain("# a comment \\"),
            2..3 => return Line::plain(""),
            3..4 => return Line::plain(" # options alpha a=1"),
            4..5 => return Line::plain("include /etc/other"),
            5..6 => "unknown",
            6..30 => "options",
            _ => self.random.pick(&known),
        };
        let name = match (command, self.random.below(10)) {
            ("alias", 0..2) => format!("own-alias-{}", self.random.below(4)),
            ("alias", 2..8) | (_, 0) => self.random.pick(&PATTERNS).to_owned(),
            ("softdep" | "install" | "remove", 1) => {
                self.random.pick(&["a*", "[a-d]*", "*net*", "?", "alpha[!-]*", "\\alpha", "*_*"]).to_owned()
            }
            ("options", 1) => format!("own-alias-{}", self.random.below(4)),
            _ => self.reference(),
        };
        // kmod cuts such a name when it looks for a command.
        let odd = matches!(command, "install" | "remove") && ["with.dot", "odd[a-b]name"].contains(&name.as_str());
        let name = if odd { "plain".to_owned() } else { name };
        let mut rest = match command {
            "alias" => self.reference(),
            "options" => self.parameters(),
            "install" | "remove" => match self.random.below(6) {
                0 => format!("/bin/true{COMMAND_END}"),
                1 | 2 => format!("/bin/false{COMMAND_END}"),
                3 => format!("/usr/bin/false # switched off{COMMAND_END}"),
                number => format!("/sbin/modprobe --ignore-install m{number} $CMDLINE_OPTS \\\\ \\\"x{COMMAND_END}"),
            },
            "softdep" => self.softdeps(),
            "weakdep" => self.references(),
            _ => String::new(),
        };
        if self.random.percent(5) {
            rest += self.random.pick(&[" ", "\t", " and more", "\\", " \u{e9}\u{4e2d}", " '", " \0x"]);
        }
        // The answers tell commands by their ends.
        if self.random.percent(2) && !matches!(command, "install" | "remove") {
            rest.clear();
        }
        let before = if self.random.percent(5) { self.random.pick(&[" ", "\t", "\\\n", "  "]) } else { "" };
        let gap = self.gap();
        let mut rest = rest.into_bytes();
        if self.random.percent(1) {
            rest.push(0xe9);
        }
        Line { command: format!("{before}{command}{gap}"), name, gap: self.gap(), rest }
    }

    fn parameters(&mut self) -> String {
        let number = self.random.below(1000);
        self.random
            .pick(&["a=1", "b=\"x y\"", "flag", "c=1\td=2", "e=\\\"q\\\"", "a=2  b=3", " g=1", "h='i j'", "k=\\\n l=1"])
            .to_owned()
            + &format!(" n={number}")
    }

    fn command_line(&mut self) -> String {
        let mut words = vec!["BOOT_IMAGE=/vmlinuz-6.1.0 root=/dev/sda1 ro".to_owned()];
        for _ in 0..self.random.below(5) {
            let (name, number) = (self.reference(), self.random.below(100));
            words.push(match self.random.below(14) {
                0..4 => format!("{name}.p={number}"),
                4 => format!("\"{name}.text=x {number}\""),
                5 => format!("{name}.text=\"x {number}\""),
                6 => format!("{name}.flag{number}"),
                7 => format!("modprobe.blacklist={name},{}", self.module()),
                8 => format!("\"modprobe.blacklist={name},{}\"", self.module()),
                9 => "--".to_owned(),
                10 => format!("{name}.sub.p={number}"),
                11 => format!("\"{name} x.p={number}\""),
                12 => format!("{name}.p=\"unclosed {number}"),
                _ => format!("quiet\t{name}.q={number}\n"),
            });
        }
        words.join(self.random.pick(&[" ", "  "]))
    }

    /// Loaded modules. One that others use has users.
    fn live(&mut self, modules: &[Module]) -> Vec<(String, u32)> {
        let mut live: Vec<(String, u32)> = Vec::new();
        for module in modules.iter().rev() {
            let users = modules.iter().filter(|user| user.uses.contains(&module.name));
            let users = users.filter(|user| live.iter().any(|(name, _)| *name == user.name)).count() as u32;
            if users > 0 || self.random.percent(20) {
                let more = u32::from(self.random.percent(10));
                live.push((module.name.clone(), users + more));
            }
        }
        if self.random.percent(10) {
            live.push(("elsewhere".to_owned(), 0));
        }
        live
    }

    fn query(&mut self) -> Query {
        let mode = match self.random.below(20) {
            0..10 => Mode::Depends,
            10..14 => Mode::DryRun,
            14..16 => Mode::Resolve,
            _ => Mode::Remove,
        };
        let mut words = vec![self.reference()];
        if matches!(mode, Mode::Depends | Mode::DryRun) && self.random.percent(20) {
            words.push("own=1".to_owned());
        }
        Query { mode, blacklist: self.random.percent(15), ignore: self.random.percent(15), words }
    }
}

impl Line {
    fn plain(text: &str) -> Self {
        Self { command: text.to_owned(), name: String::new(), gap: String::new(), rest: Vec::new() }
    }
}
