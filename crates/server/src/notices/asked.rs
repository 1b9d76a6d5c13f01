//! What is said to whoever hands in a job with `--mail-type` or `--mail-user`: mail goes to the user's own confirmed address, or nowhere.

use jobscript::{Given, Options, Warning};
use model::MailOn;
use ports::StoreError;

use crate::access::Caller;

const NO_SERVER: &str = "no mail is sent: the operator of this platform has named no mail server";
const NO_ADDRESS: &str =
    "no mail is sent until you have confirmed an address: `hw notices mail ADDRESS`, or the account page";

/// Notes on the mail that a job asks for; none where it asks for nothing.
pub async fn mail_notes(
    caller: &Caller,
    options: &Options,
    types: Option<&[MailOn]>,
) -> Result<Vec<Warning>, StoreError> {
    let wanted = options.mail_type.as_ref().filter(|_| types.is_some_and(|types| !types.is_empty()));
    let Some(asked) = wanted.or(options.mail_user.as_ref()) else { return Ok(Vec::new()) };
    let option = if wanted.is_some() { "mail-type" } else { "mail-user" };
    let note = |at: &Given<String>, option: &str, message: String| {
        vec![Warning { origin: at.origin, option: option.into(), message }]
    };
    let app = caller.app();
    if app.notices.settings.mail.is_none() {
        return Ok(note(asked, option, NO_SERVER.into()));
    }
    let wishes = app.store.wishes(caller.who.user).await?;
    let Some(own) = wishes.and_then(|wishes| wishes.address) else {
        return Ok(note(asked, option, NO_ADDRESS.into()));
    };
    let Some(named) = &options.mail_user else { return Ok(Vec::new()) };
    let is_own = [&*own, &*caller.who.name].iter().any(|known| known.eq_ignore_ascii_case(named.value.trim()));
    Ok(match is_own {
        true => Vec::new(),
        false => note(named, "mail-user", format!("mail goes to the address that you have confirmed, {own}, alone")),
    })
}
