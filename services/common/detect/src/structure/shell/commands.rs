//! Names of commands of Unix and Windows, and how much a name by itself says.

use super::super::table::{Table, count, flat};

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
    TABLE.get(bare).or_else(|| versioned(bare))
}

static TABLE: Table<Kind> = Table::new(&NAMES);

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

static NAMES: [(&[u8], Kind); count(LISTS)] = flat(LISTS);

/// The names of each kind, sorted.
#[rustfmt::skip]
const LISTS: &[(Kind, &[&[u8]])] = &[
    (Kind::Sharp, &[
        b"ansible", b"apk", b"apt", b"apt-get", b"aptitude", b"arp", b"arping", b"attrib", b"base32", b"base64",
        b"bash", b"bcdedit", b"bitsadmin", b"busybox", b"cacls", b"certutil", b"chgrp", b"chmod", b"chown",
        b"cipher", b"cmd", b"crontab", b"cscript", b"csh", b"curl", b"dash", b"dmesg", b"dnf", b"dnsdomainname",
        b"domainname", b"dpkg", b"dumpkeys", b"fping", b"fsutil", b"ftp", b"gdb", b"gem", b"get-childitem",
        b"get-content", b"get-process", b"getent", b"getmac", b"groupadd", b"halt", b"hexdump", b"hostid",
        b"hping3", b"htop", b"icacls", b"iex", b"ifconfig", b"insmod", b"invoke-expression", b"invoke-webrequest",
        b"iostat", b"ipconfig", b"ipcs", b"iptables", b"iwr", b"killall", b"ksh", b"launchctl", b"logname",
        b"lsb_release", b"lsblk", b"lscpu", b"lsof", b"lspci", b"lsusb", b"ltrace", b"lwp-download",
        b"lwp-request", b"mdfind", b"mkfifo", b"mknod", b"mkpasswd", b"modprobe", b"mshta", b"nbtstat", b"nc",
        b"ncat", b"nerdctl", b"netcat", b"netstat", b"new-object", b"nmap", b"nohup", b"npm", b"nslookup",
        b"nslookup.exe", b"objdump", b"openssl", b"osascript", b"pacman", b"pathping", b"perl", b"php", b"phpinfo",
        b"ping", b"ping6", b"pip", b"pkill", b"podman", b"poweroff", b"powershell", b"printenv", b"ps", b"pwsh",
        b"python", b"python2", b"python3", b"quser", b"qwinsta", b"rcp", b"reboot", b"regsvr32", b"rlogin", b"rpm",
        b"rsh", b"rsync", b"ruby", b"rundll32", b"sc", b"schtasks", b"scp", b"setsid", b"sftp", b"shutdown",
        b"socat", b"ssh", b"sshpass", b"start-process", b"strace", b"su", b"sudo", b"sysctl", b"systemctl",
        b"systeminfo", b"taskkill", b"tasklist", b"tcpdump", b"tcsh", b"telnet", b"telnetd", b"terraform", b"tftp",
        b"traceroute", b"tracert", b"uname", b"unlink", b"uptime", b"useradd", b"userdel", b"usermod", b"vmstat",
        b"vssadmin", b"wget", b"whoami", b"whois", b"wmic", b"wscript", b"xargs", b"xterm", b"xxd",
        b"ypdomainname", b"yum", b"zsh", b"zypper",
    ]),
    (Kind::Plain, &[
        b"7z", b"assoc", b"awk", b"basename", b"bzcat", b"bzip2", b"cc", b"cd", b"chdir", b"chroot", b"cksum",
        b"clang", b"comm", b"cp", b"dd", b"del", b"df", b"diff3", b"dig", b"dir", b"dirname", b"docker", b"du",
        b"echo", b"ed", b"egrep", b"emacs", b"env", b"erase", b"ex", b"expr", b"fc", b"fgrep", b"findstr",
        b"ftype", b"gawk", b"gcc", b"git", b"grep", b"gunzip", b"gzip", b"hostname", b"ip", b"java", b"javac",
        b"jq", b"kubectl", b"ldd", b"ln", b"ls", b"lua", b"make", b"mawk", b"md5sum", b"mkdir", b"mkdtemp",
        b"mktemp", b"mv", b"nano", b"nawk", b"netsh", b"nl", b"nm", b"node", b"od", b"pgrep", b"printf", b"pwd",
        b"readelf", b"readlink", b"realpath", b"rev", b"rm", b"rmdir", b"robocopy", b"sdiff", b"sed", b"seq",
        b"setx", b"sh", b"sha1sum", b"sha256sum", b"shuf", b"ss", b"stat", b"strings", b"tac", b"tar", b"tee",
        b"tr", b"tty", b"uniq", b"unzip", b"ver", b"vi", b"vim", b"wc", b"whereis", b"xcopy", b"xz", b"zcat",
        b"zgrep", b"zip",
    ]),
    (Kind::Word, &[
        b"alias", b"apropos", b"arch", b"at", b"batch", b"builtin", b"cal", b"cat", b"choice", b"clear",
        b"command", b"copy", b"cut", b"date", b"diff", b"eval", b"exec", b"exit", b"expand", b"export", b"factor",
        b"file", b"find", b"finger", b"fold", b"free", b"go", b"groups", b"head", b"help", b"history",
        b"host", b"id", b"install", b"jobs", b"join", b"kill", b"last", b"less", b"link", b"locate", b"look",
        b"mail", b"man", b"more", b"mount", b"move", b"net", b"nice", b"paste", b"path", b"print", b"query",
        b"read", b"reg", b"ren", b"route", b"screen", b"service", b"set", b"sleep", b"snap", b"sort", b"source",
        b"split", b"start", b"sync", b"tail", b"talk", b"test", b"time", b"timeout", b"title", b"top", b"touch",
        b"tree", b"type", b"umount", b"unset", b"users", b"wall", b"watch", b"which", b"who",
        b"write", b"yes",
    ]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_and_within_their_length() {
        for (_, names) in LISTS {
            assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(names.iter().all(|name| name.len() <= NAME_MAX));
        }
    }
}
