//! Settings of the daemons: a node's file with its environment and command line over it, a site's, a
//! coordinator's; and the token of a page (`haima_smpc_node::server::Config`, `haima::site::Config`,
//! `haima::coordinator::Config`, `haima::web::Token`). What is read is the same after it was written.

use std::path::Path;

use haima::web::Token;
use haima::{coordinator, site};
use haima_smpc_node::server;
use serde::Serialize;

use super::tools::{Cut, joined, tagged, with_file};

pub(crate) fn run(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let (tag, bytes) = (cut.byte(), cut.0);
    match tag % 5 {
        0 => same(bytes, server::Config::read),
        // The file, then pairs of a name and a value; a pair without a name is of the command line.
        1 => {
            let pieces = Cut(bytes).pieces();
            let Some((file, settings)) = pieces.split_first() else { return };
            let text = |piece: &[u8]| String::from_utf8_lossy(piece).into_owned();
            let (mut environment, mut line) = (Vec::new(), Vec::new());
            for pair in settings.chunks_exact(2) {
                match text(pair[0]) {
                    name if name.is_empty() => line.push(text(pair[1])),
                    name => environment.push((name, text(pair[1]))),
                }
            }
            let _ = with_file(file, |path| server::Config::layered(path, environment, &line));
        }
        2 => same(bytes, site::Config::read),
        3 => same(bytes, coordinator::Config::read),
        _ => with_file(bytes, |path| {
            if let Ok(token) = Token::kept(path) {
                assert!(Token::kept(path).is_ok_and(|it| it.expose() == token.expose()));
            }
        }),
    }
}

/// Paths are absolute once they were read, so they stay what they are in another folder.
fn same<T: Serialize, E>(bytes: &[u8], read: impl Fn(&Path) -> Result<T, E>) {
    let Ok(config) = with_file(bytes, &read) else { return };
    let written = toml::to_string(&config).expect("settings are written");
    let again = with_file(written.as_bytes(), &read).ok();
    let again = again.and_then(|again| toml::to_string(&again).ok());
    assert_eq!(again.as_deref(), Some(&*written), "other settings");
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let files = "manifest = \"m\"\nidentity = \"i\"\ntls_certificate = \"c\"\ntls_key = \"k\"\n";
    let node = format!(
        "name = \"node-1\"\n{files}noise_key = \"n\"\nepoch_key = \"e\"\nstore = \"s.db\"\n\
         journal = \"j\"\nlisten = \"[::]:1\"\nretention_days = 30\nlog_format = \"json\"\n"
    );
    let site = format!("name = \"site-a\"\n{files}policy = \"p\"\ndata = \"d\"\nstate = \"s\"\n");
    let coordinator = format!(
        "{files}out = \"o\"\nrun = 2\nwait_s = 5\nwait_sites = 3\n\n[about]\nsubject = \"patients\"\n\
         warnings = [\"a\"]\ntitles = {{ sum = \"A sum\" }}\n"
    );
    let layers = [
        node.as_str(),
        "HAIMA_NODE_STORE",
        "postgres://x",
        "PATH",
        "/bin",
        "",
        "retention_days=7",
        "",
        "proxy=a:1",
    ];
    vec![
        tagged(0, node.as_bytes()),
        tagged(1, &joined(&layers)),
        tagged(2, site.as_bytes()),
        tagged(3, coordinator.as_bytes()),
        tagged(4, b"00112233445566778899aabbccddeeff\n"),
    ]
}
