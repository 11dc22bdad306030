//! A small WebDriver client (W3C, 2018) over chromedriver, and a browser without a screen.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Key of a reference to an element (section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How long a page may take to show what is waited for.
const WAIT: Duration = Duration::from_secs(40);

/// A browser with one window.
pub(crate) struct Browser {
    process: Child,
    port: u16,
    session: String,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser, which the driver would leave behind.
        let path = format!("/session/{}", self.session);
        let _ = request(self.port, "DELETE", &path, &json!({}));
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether there is a browser, with a line for the log where there is none.
pub(crate) fn absent() -> bool {
    let there = Command::new("chromedriver").arg("--version").output().is_ok();
    if !there {
        println!("BROWSER absent: no chromedriver on the PATH; no page was looked at");
    }
    !there
}

impl Browser {
    /// Starts a browser, with scripts or without.
    pub(crate) fn start(scripts: bool) -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("chromedriver says its port").unwrap();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').parse().unwrap();
            }
        };
        // Whatever else it says is nobody's concern, and must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--hide-scrollbars", "--window-size=1280,1000"],
            "prefs": { "profile.managed_default_content_settings.javascript": if scripts { 1 } else { 2 } },
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            // A page's own certificate is signed by nobody.
            "acceptInsecureCerts": true,
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let begun = request(port, "POST", "/session", &wanted).unwrap();
        let session = begun["sessionId"].as_str().unwrap().to_owned();
        Self { process, port, session }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}{path}", self.session);
        request(self.port, method, &path, body).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn open(&self, address: &str) {
        self.call("POST", "/url", &json!({ "url": address }));
    }

    pub(crate) fn address(&self) -> String {
        self.call("GET", "/url", &Value::Null).as_str().unwrap().to_owned()
    }

    fn find(&self, selector: &str) -> Result<String, String> {
        let body = json!({ "using": "css selector", "value": selector });
        let path = format!("/session/{}/element", self.session);
        let found = request(self.port, "POST", &path, &body)?;
        Ok(found[ELEMENT].as_str().unwrap().to_owned())
    }

    fn element(&self, selector: &str) -> String {
        self.find(selector).unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    fn text_of(&self, selector: &str) -> Result<String, String> {
        let path = format!("/session/{}/element/{}/text", self.session, self.find(selector)?);
        let text = request(self.port, "GET", &path, &Value::Null)?;
        Ok(text.as_str().unwrap().to_owned())
    }

    /// The text that a person sees of an element.
    pub(crate) fn text(&self, selector: &str) -> String {
        self.text_of(selector).unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    pub(crate) fn click(&self, selector: &str) {
        let path = format!("/element/{}/click", self.element(selector));
        self.call("POST", &path, &json!({}));
    }

    pub(crate) fn enter(&self, selector: &str, text: &str) {
        let path = format!("/element/{}/value", self.element(selector));
        self.call("POST", &path, &json!({ "text": text }));
    }

    /// Presses a key, wherever the focus is.
    pub(crate) fn press(&self, key: char) {
        let actions =
            json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let keys = json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] });
        self.call("POST", "/actions", &keys);
    }

    /// What a script returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.call("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What a script gives to the function that is its last argument.
    pub(crate) fn run_to_end(&self, script: &str) -> Value {
        self.call("POST", "/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Makes the page so wide, in CSS pixels.
    pub(crate) fn widen(&self, width: u32) {
        let size =
            json!({ "width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": false });
        let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size });
        self.call("POST", "/goog/cdp/execute", &command);
    }

    /// Takes a picture of the whole page.
    pub(crate) fn picture(&self, path: &Path) {
        let size =
            self.run("const e = document.documentElement; return [e.scrollWidth, e.scrollHeight]");
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let whole = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let command = json!({ "cmd": "Page.captureScreenshot", "params": whole });
        let picture = self.call("POST", "/goog/cdp/execute", &command);
        let bytes = base64(picture["data"].as_str().unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// What the browser has complained of since the last look: what a policy forbade, scripts that failed.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let entries = self.call("POST", "/se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().unwrap().iter();
        let severe = entries.filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until an element is there and its text holds something.
    pub(crate) fn until(&self, selector: &str, text: &str) {
        let begun = Instant::now();
        loop {
            let said = self.text_of(selector);
            if said.as_ref().is_ok_and(|said| said.contains(text)) {
                return;
            }
            assert!(begun.elapsed() < WAIT, "{selector} does not come to say {text:?}: {said:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// One command; the value of its answer.
fn request(port: u16, method: &str, path: &str, body: &Value) -> Result<Value, String> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).unwrap();
    // The driver keeps the connection open, whatever is asked.
    let (mut stream, mut length) = (BufReader::new(stream), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).map_err(|e| e.to_string())?;
        if line.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(|_| line.clone())?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).map_err(|e| e.to_string())?;
    let answer: Value = serde_json::from_slice(&body).map_err(|e| e.to_string())?;
    match answer["value"]["error"].as_str() {
        Some(error) => Err(format!("{error}: {}", answer["value"]["message"])),
        None => Ok(answer["value"].clone()),
    }
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

/// Where pictures go: `target/tmp/pages`.
pub(crate) fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages")
}
