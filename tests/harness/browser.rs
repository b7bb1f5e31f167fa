//! A real Chromium under a test: started, driven, looked at, ended.
//!
//! Owns: one chromedriver as a child on a free port, a fresh profile for each window, the screenshots; all of
//! it below the folder that the caller gives. Dropping [`Browser`] ends the driver and every browser process
//! that uses one of these profiles. Fails by panic with what the page showed.
//! Must not know: what the pages are about.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::json;
use thirtyfour::prelude::*;
use thirtyfour::{ChromeCapabilities, LoggingPrefsLogLevel};

use crate::process::Process;

/// How long a page may take to show what is expected.
const SEEN: Duration = Duration::from_secs(30);
/// Pause between two looks at a page.
const LOOK: Duration = Duration::from_millis(100);
/// What Chromium needs in a container and without a network beyond loopback.
const FLAGS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// A running chromedriver.
#[derive(Debug)]
pub struct Browser {
    dir: PathBuf,
    driver: Process,
    url: String,
    windows: AtomicU32,
}

impl Browser {
    /// True when this machine has Chromium and its driver.
    #[must_use]
    pub fn installed() -> bool {
        ["chromium", "chromedriver"].iter().all(|program| {
            Command::new(program)
                .arg("--version")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        })
    }

    /// Starts the driver; profiles, log and screenshots lie in `dir`.
    #[must_use]
    pub fn start(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).expect("folder of the browser");
        let home = dir.to_str().expect("paths of tests are text");
        let log = dir.join("chromedriver.log");
        let mut driver = Process::start_with(
            "chromedriver",
            Path::new("chromedriver"),
            &["--port=0"],
            &[("HOME", home), ("TMPDIR", home)],
            &log,
        );
        let mut port = None;
        driver.wait_ready("readiness", SEEN, || {
            port = started_port(&std::fs::read_to_string(&log).unwrap_or_default());
            port.is_some()
        });
        let url = format!("http://127.0.0.1:{}", port.expect("seen just now"));
        Self {
            dir: dir.to_owned(),
            driver,
            url,
            windows: AtomicU32::new(0),
        }
    }

    /// A window of a Vietnamese reader for the pages of `base`, so many CSS pixels wide, with a profile of
    /// its own.
    pub async fn window(&self, base: &str, width: u32) -> Window {
        let profile = self.profile(self.windows.fetch_add(1, Ordering::Relaxed));
        let mut wishes = ChromeCapabilities::new();
        let own = [
            "--lang=vi".to_owned(),
            format!("--user-data-dir={}", profile.display()),
        ];
        for flag in FLAGS.iter().map(ToString::to_string).chain(own) {
            wishes.add_arg(&flag).expect("a flag is text");
        }
        // A window of the system cannot be as narrow as a phone; the emulated screen can.
        let screen = json!({"width": width, "height": 900, "pixelRatio": 1.0, "mobile": false});
        for (name, value) in [
            ("mobileEmulation", json!({"deviceMetrics": screen})),
            ("prefs", json!({"intl.accept_languages": "vi-VN,vi"})),
        ] {
            wishes
                .add_experimental_option(name, value)
                .expect("an option is JSON");
        }
        wishes
            .set_browser_log_level(LoggingPrefsLogLevel::Severe)
            .expect("a level is text");
        let driver = WebDriver::new(self.url.as_str(), wishes).await;
        let driver = driver.unwrap_or_else(|error| {
            panic!(
                "no window: {error}\n{}\nchromedriver: {}",
                self.dir.display(),
                self.driver.log_tail(4000)
            )
        });
        Window {
            base: base.to_owned(),
            dir: self.dir.clone(),
            driver: Some(driver),
        }
    }

    fn profile(&self, number: u32) -> PathBuf {
        self.dir.join(format!("profile-{number}"))
    }

    /// Browser processes with a profile of ours.
    fn left_over(&self) -> Vec<u32> {
        let mark = format!("--user-data-dir={}/profile-", self.dir.display());
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter_map(|entry| {
            let id: u32 = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            String::from_utf8_lossy(&line).contains(&mark).then_some(id)
        })
        .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.driver.kill();
        // A window that a failed test left open outlives its driver.
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let left = self.left_over();
            if left.is_empty() || Instant::now() > until {
                return;
            }
            for id in left {
                let _ = Command::new("kill")
                    .args(["-KILL", &id.to_string()])
                    .stderr(Stdio::null())
                    .status();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The port that the driver took, once its log says so.
fn started_port(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("started successfully on port ")?;
    rest.split_once('.')?.0.parse().ok()
}

/// One window with cookies of its own.
#[derive(Debug)]
pub struct Window {
    base: String,
    dir: PathBuf,
    /// Present until the window is closed.
    driver: Option<WebDriver>,
}

impl Window {
    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().expect("present until it is closed")
    }

    /// Opens a page by its path.
    pub async fn open(&self, path: &str) {
        let url = format!("{}{path}", self.base);
        self.driver().goto(url).await.expect("a page opens");
    }

    /// The value of a script that ends in `return`.
    pub async fn run<T: DeserializeOwned>(&self, script: &str) -> T {
        self.driver()
            .execute(script, vec![])
            .await
            .and_then(|value| value.convert())
            .unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The text that a reader sees in the page's main part.
    pub async fn text(&self) -> String {
        self.run("return document.querySelector('main')?.innerText ?? ''")
            .await
    }

    /// Waits until the main part shows all these texts, without loading the page anew.
    pub async fn see(&self, texts: &[&str]) -> String {
        let until = Instant::now() + SEEN;
        loop {
            let shown = self.text().await;
            let missing = texts.iter().find(|text| !shown.contains(**text));
            let Some(missing) = missing else {
                return shown;
            };
            assert!(
                Instant::now() < until,
                "the page does not show “{missing}”:\n{shown}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Presses the first element that this CSS selector finds.
    pub async fn press(&self, css: &str) {
        self.click(By::Css(css), css).await;
    }

    /// Clicks what is found, again while the page renews itself under the hand.
    async fn click(&self, by: By, what: &str) {
        let until = Instant::now() + SEEN;
        loop {
            let clicked = match self.driver().find(by.clone()).await {
                Ok(element) => element.click().await,
                Err(error) => Err(error),
            };
            let Err(error) = clicked else { return };
            assert!(Instant::now() < until, "{what} cannot be clicked: {error}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Follows the link with this text.
    pub async fn follow(&self, text: &str) {
        self.click(By::LinkText(text), text).await;
    }

    /// Types into the field with this name, in place of what it holds.
    pub async fn fill(&self, name: &str, text: &str) {
        let field = self.driver().find(By::Name(name)).await;
        let field = field.unwrap_or_else(|error| panic!("no field {name}: {error}"));
        field.clear().await.expect("a field can be emptied");
        field.send_keys(text).await.expect("a field takes keys");
    }

    /// A cookie as a request header carries it, also one that scripts cannot read.
    pub async fn cookie(&self, name: &str) -> String {
        let cookie = self.driver().get_named_cookie(name).await;
        let cookie = cookie.unwrap_or_else(|error| panic!("no cookie {name}: {error}"));
        format!("{name}={}", cookie.value)
    }

    /// Errors that the console got since the last call.
    pub async fn console_errors(&self) -> Vec<String> {
        let log = self
            .driver()
            .browser_log()
            .await
            .expect("the driver keeps a log");
        log.into_iter().map(|entry| entry.message).collect()
    }

    /// Saves what the window shows as `name.png` next to the profiles.
    pub async fn shot(&self, name: &str) {
        let path = self.dir.join(format!("{name}.png"));
        self.driver()
            .screenshot(&path)
            .await
            .expect("a window can be photographed");
    }

    /// Closes the window.
    pub async fn close(mut self) {
        let driver = self.driver.take().expect("present until it is closed");
        driver.quit().await.expect("a window closes");
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // The driver's own farewell blocks the thread whose runtime it needs, for two minutes; a window
        // that a failed test leaves open is ended by `Browser` instead.
        if let Some(driver) = self.driver.take() {
            let _ = driver.leak();
        }
    }
}
