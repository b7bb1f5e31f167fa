//! Signing in and out.
//!
//! The session cookie is HttpOnly and SameSite=Strict; it carries no `Secure`, because the doors speak
//! plain HTTP on loopback or a LAN and a proxy that adds TLS adds it. A wrong name and a wrong password
//! give the same answer.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::parts::Bare;
use super::words::{Lang, Words, fill};
use super::{Answer, Reader, address, html};
use crate::door::Doors;
use crate::door::auth::{COOKIE, From};
use crate::door::dress::language;
use crate::door::params::Params;
use crate::door::problem::Problem;

#[derive(Debug, Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage {
    agency: String,
    bare: Bare,
    next: String,
    notice: String,
    user: String,
    w: &'static Words,
    wrong: bool,
}

fn page(doors: &Doors, lang: Lang, next: &str, user: &str, notice: String, wrong: bool) -> Answer {
    let w = lang.words();
    let served = doors.desk().agencies();
    let agency = served
        .first()
        .map(|agency| agency.name.clone())
        .unwrap_or_default();
    let here = address::with_query("/login", &[("next", next)]);
    html(&LoginPage {
        agency: if served.len() == 1 {
            agency
        } else {
            String::new()
        },
        bare: Bare::new(lang, w.sign_in, &here),
        next: next.to_owned(),
        notice,
        user: user.to_owned(),
        w,
        wrong,
    })
}

/// `GET /login`
pub(crate) async fn show(State(doors): State<Doors>, headers: HeaderMap, uri: Uri) -> Answer {
    let lang = language(&headers);
    let mut params = Params::of(&uri)?;
    let next = params.text("next").unwrap_or_default();
    let notice = if params.text("out").is_some() {
        lang.words().signed_out
    } else {
        ""
    };
    page(
        &doors,
        lang,
        address::own(&next),
        "",
        notice.to_owned(),
        false,
    )
}

/// The fields of the login form.
#[derive(Debug, Deserialize)]
pub(crate) struct Fields {
    #[serde(default)]
    next: String,
    password: String,
    user: String,
}

/// `POST /login`
pub(crate) async fn enter(
    State(doors): State<Doors>,
    From(from): From,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Answer {
    let lang = language(&headers);
    let w = lang.words();
    let next = address::own(&fields.next).to_owned();
    let user: String = fields.user.trim().to_lowercase().chars().take(64).collect();
    let desk = doors.desk();
    let wait_s = doors.logins().wait_s(from, &user, desk.now());
    if wait_s > 0 {
        let notice = fill(w.sign_in_slow, &[("n", &wait_s.to_string())]);
        let mut response = page(&doors, lang, &next, &user, notice, true)?;
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(wait_s));
        return Ok(response);
    }
    let room = doors.logins().room().await;
    let login = desk.login(&user, &fields.password).await?;
    drop(room);
    doors
        .logins()
        .note(from, &user, desk.now(), login.is_some());
    let Some(login) = login else {
        let mut response = page(&doors, lang, &next, &user, w.sign_in_wrong.to_owned(), true)?;
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        return Ok(response);
    };
    let seconds = login.until.minus(desk.now()).max(0) / 1000;
    let cookie = cookie(&login.token, seconds);
    let mut response = Redirect::to(&next).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie?);
    Ok(response)
}

fn cookie(token: &str, seconds: i64) -> Result<HeaderValue, Problem> {
    let text = format!("{COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict");
    HeaderValue::from_str(&text).map_err(|error| {
        Problem::new(crate::door::problem::Kind::Internal).cause(format!("cookie: {error}"))
    })
}

/// The one field of the sign-out form.
#[derive(Debug, Deserialize)]
pub(crate) struct Leave {
    #[serde(default)]
    csrf: String,
}

/// `POST /logout`
pub(crate) async fn leave(
    State(doors): State<Doors>,
    reader: Reader,
    Form(leave): Form<Leave>,
) -> Result<Response, Problem> {
    reader.session.check(&leave.csrf)?;
    doors.desk().logout(reader.session.token()).await?;
    let mut response = Redirect::to("/login?out=1").into_response();
    response
        .headers_mut()
        .insert(header::SET_COOKIE, cookie("", 0)?);
    Ok(response)
}

/// The page after a wrong password.
#[cfg(test)]
pub(crate) fn sample(lang: Lang, user: &str) -> LoginPage {
    LoginPage {
        agency: user.to_owned(),
        bare: Bare::new(lang, lang.words().sign_in, "/login"),
        next: "/documents".to_owned(),
        notice: lang.words().sign_in_wrong.to_owned(),
        user: user.to_owned(),
        w: lang.words(),
        wrong: true,
    }
}
