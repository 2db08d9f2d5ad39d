//! Names of commands of Unix and Windows, and how much a name by itself says.

/// How ordinary a command's name is in text that is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Hardly ever written but to name or run the command.
    Sharp,
    /// Everyday talk among developers.
    Plain,
    /// An ordinary English word, or an ordinary name of a field.
    Word,
}

/// The longest name in the table, in bytes.
pub(super) const NAME_MAX: usize = 17;

/// Looks a name up; an `.exe`, `.com` or `.bat` at its end does not count.
pub(super) fn lookup(name: &[u8]) -> Option<Kind> {
    let bare = [&b".exe"[..], b".com", b".bat"]
        .iter()
        .find_map(|end| name.strip_suffix(*end))
        .unwrap_or(name);
    let letter = usize::from(bare.first()?.wrapping_sub(b'a'));
    let kind = FIRST.iter().zip(COMMANDS).find_map(|(first, entry)| {
        let names = match (first.get(letter), first.get(letter + 1)) {
            (Some(start), Some(end)) => &entry.names[*start..*end],
            _ => entry.names,
        };
        names.iter().any(|name| name.as_bytes() == bare).then_some(entry.kind)
    });
    kind.or_else(|| versioned(bare))
}

/// For each kind, where the names of each letter begin, and where those of the last end.
static FIRST: [[usize; 27]; 3] = {
    let (mut first, mut kind) = ([[0; 27]; 3], 0);
    while kind < 3 {
        let (names, mut at, mut letter) = (COMMANDS[kind].names, 0, 0);
        while letter < 27 {
            while at < names.len() && names[at].as_bytes()[0] < b'a' + letter {
                at += 1;
            }
            first[kind][letter as usize] = at;
            letter += 1;
        }
        kind += 1;
    }
    first
};

/// `python3.11`, `php8.2` and the like.
fn versioned(name: &[u8]) -> Option<Kind> {
    let letters = name.iter().position(|byte| byte.is_ascii_digit())?;
    let rest = &name[letters..];
    let interpreter =
        matches!(&name[..letters], b"python" | b"perl" | b"php" | b"ruby" | b"lua" | b"pip");
    (interpreter && rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.'))
        .then_some(Kind::Sharp)
}

/// Commands that fetch something from elsewhere.
pub(super) fn fetches(name: &[u8]) -> bool {
    matches!(
        name,
        b"curl"
            | b"wget"
            | b"fetch"
            | b"lwp-download"
            | b"lwp-request"
            | b"tftp"
            | b"ftp"
            | b"scp"
            | b"certutil"
            | b"bitsadmin"
            | b"invoke-webrequest"
            | b"iwr"
    )
}

/// Commands that run what they are given.
pub(super) fn runs(name: &[u8]) -> bool {
    matches!(
        name,
        b"sh"
            | b"bash"
            | b"zsh"
            | b"ksh"
            | b"csh"
            | b"dash"
            | b"ash"
            | b"python"
            | b"python2"
            | b"python3"
            | b"perl"
            | b"php"
            | b"ruby"
            | b"node"
            | b"chmod"
            | b"source"
            | b"iex"
            | b"xargs"
            | b"sudo"
    )
}

/// Commands whose argument is a host or an address.
pub(super) fn calls_out(name: &[u8]) -> bool {
    fetches(name)
        || matches!(
            name,
            b"ping"
                | b"ping6"
                | b"nslookup"
                | b"dig"
                | b"host"
                | b"nc"
                | b"ncat"
                | b"netcat"
                | b"telnet"
                | b"ssh"
                | b"traceroute"
                | b"tracert"
                | b"whois"
                | b"nmap"
                | b"sleep"
                | b"timeout"
        )
}

/// Commands that only lead to the command behind them.
pub(super) fn leads(name: &[u8]) -> bool {
    matches!(
        name,
        b"sudo"
            | b"nohup"
            | b"exec"
            | b"command"
            | b"builtin"
            | b"env"
            | b"then"
            | b"do"
            | b"else"
            | b"time"
            | b"xargs"
            | b"busybox"
            | b"setsid"
            | b"if"
            | b"while"
            | b"start"
            | b"eval"
    )
}

/// The names of one kind, sorted.
struct Names {
    kind: Kind,
    names: &'static [&'static str],
}

#[rustfmt::skip]
const COMMANDS: &[Names] = &[
Names { kind: Kind::Sharp, names: &[
"ansible", "apk", "apt", "apt-get", "aptitude", "arp", "arping", "attrib", "base32", "base64", "bash", "bcdedit",
"bitsadmin", "busybox", "cacls", "certutil", "chgrp", "chmod", "chown", "cipher", "cmd", "crontab", "cscript",
"csh", "curl", "dash", "dmesg", "dnf", "dnsdomainname", "domainname", "dpkg", "dumpkeys", "fping", "fsutil", "ftp",
"gdb", "gem", "get-childitem", "get-content", "get-process", "getent", "getmac", "groupadd", "halt", "hexdump",
"hostid", "hping3", "htop", "icacls", "iex", "ifconfig", "insmod", "invoke-expression", "invoke-webrequest",
"iostat", "ipconfig", "ipcs", "iptables", "iwr", "killall", "ksh", "launchctl", "logname", "lsb_release", "lsblk",
"lscpu", "lsof", "lspci", "lsusb", "ltrace", "lwp-download", "lwp-request", "mdfind", "mkfifo", "mknod", "mkpasswd",
"modprobe", "mshta", "nbtstat", "nc", "ncat", "nerdctl", "netcat", "netstat", "new-object", "nmap", "nohup", "npm",
"nslookup", "nslookup.exe", "objdump", "openssl", "osascript", "pacman", "pathping", "perl", "php", "phpinfo",
"ping", "ping6", "pip", "pkill", "podman", "poweroff", "powershell", "printenv", "ps", "pwsh", "python", "python2",
"python3", "quser", "qwinsta", "rcp", "reboot", "regsvr32", "rlogin", "rpm", "rsh", "rsync", "ruby", "rundll32",
"sc", "schtasks", "scp", "setsid", "sftp", "shutdown", "socat", "ssh", "sshpass", "start-process", "strace", "su",
"sudo", "sysctl", "systemctl", "systeminfo", "taskkill", "tasklist", "tcpdump", "tcsh", "telnet", "terraform",
"tftp", "traceroute", "tracert", "uname", "unlink", "uptime", "useradd", "userdel", "usermod", "vmstat", "vssadmin",
"wget", "whoami", "whois", "wmic", "wscript", "xargs", "xterm", "xxd", "ypdomainname", "yum", "zsh", "zypper"]},
Names { kind: Kind::Plain, names: &[
"7z", "assoc", "awk", "basename", "bzcat", "bzip2", "cc", "cd", "chdir", "chroot", "cksum", "clang", "comm", "cp",
"dd", "del", "df", "diff3", "dig", "dir", "dirname", "docker", "du", "echo", "ed", "egrep", "emacs", "env", "erase",
"ex", "expr", "fc", "fgrep", "findstr", "ftype", "gawk", "gcc", "git", "grep", "gunzip", "gzip", "hostname", "ip",
"java", "javac", "jq", "kubectl", "ldd", "ln", "ls", "lua", "make", "mawk", "md5sum", "mkdir", "mkdtemp", "mktemp",
"mv", "nano", "nawk", "netsh", "nl", "nm", "node", "od", "pgrep", "printf", "pwd", "readelf", "readlink",
"realpath", "rev", "rm", "rmdir", "robocopy", "sdiff", "sed", "seq", "setx", "sh", "sha1sum", "sha256sum", "shuf",
"ss", "stat", "strings", "tac", "tar", "tee", "tr", "tty", "uniq", "unzip", "ver", "vi", "vim", "wc", "whereis",
"xcopy", "xz", "zcat", "zgrep", "zip"]},
Names { kind: Kind::Word, names: &[
"alias", "apropos", "arch", "at", "batch", "builtin", "cal", "cat", "choice", "clear", "command", "copy", "cut",
"date", "diff", "eval", "exec", "exit", "expand", "export", "factor", "false", "file", "find", "finger", "fold",
"free", "go", "groups", "head", "help", "history", "host", "id", "install", "jobs", "join", "kill", "last", "less",
"link", "locate", "look", "mail", "man", "more", "mount", "move", "net", "nice", "paste", "path", "print", "query",
"read", "reg", "ren", "route", "screen", "service", "set", "sleep", "snap", "sort", "source", "split", "start",
"sync", "tail", "talk", "test", "time", "timeout", "title", "top", "touch", "tree", "true", "type", "umount",
"unset", "users", "w", "wall", "watch", "which", "who", "write", "yes"]},
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_and_within_their_length() {
        for kind in COMMANDS {
            assert!(kind.names.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(kind.names.iter().all(|name| name.len() <= NAME_MAX));
        }
    }
}
