//! A statement as one page for the printer: complete in itself, without script, in English or Chinese. All texts are escaped.

use std::fmt::Write as _;

use wire::statement::{StatementDetail, StatementPart};

/// The page's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    En,
    Zh,
}

impl Lang {
    pub fn parse(text: Option<&str>) -> Option<Lang> {
        match text {
            None | Some("en") => Some(Self::En),
            Some("zh") => Some(Self::Zh),
            Some(_) => None,
        }
    }
    const fn pick<'a>(self, en: &'a str, zh: &'a str) -> &'a str {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }
}

/// Jobs on paper; all of them are in the CSV.
pub const JOBS_MAX: usize = 2_000;

const STYLE: &str = "body{font:10pt/1.4 sans-serif;color:#111;margin:2em auto;max-width:60em;padding:0 1em}\
h1{font-size:16pt}h2{font-size:12pt;margin-top:1.5em}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.2em .5em;border-bottom:1px solid #ccc;vertical-align:top}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}tr.sum td{font-weight:bold}\
thead{display:table-header-group}tr{break-inside:avoid}\
@media print{body{margin:0;max-width:none;padding:0}@page{size:A4;margin:18mm}h2{break-after:avoid}}";

pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

pub fn html(detail: &StatementDetail, lang: Lang) -> String {
    let of = &detail.statement;
    let say = |en, zh| lang.pick(en, zh);
    let title = format!("{} {}", say("Statement", "账单"), of.name);
    let mut out = format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{}</title><style>{STYLE}</style></head><body><h1>{}</h1><table>",
        say("en", "zh"),
        escape(&title),
        escape(&title),
    );
    let facts = [
        (say("Tenant", "租户"), of.tenant_name.clone()),
        (say("Month", "月份"), of.month.clone()),
        (say("From", "起"), of.from.to_string()),
        (say("Until", "止"), of.to.to_string()),
        (say("Currency", "币种"), of.currency.clone()),
        (say("Closed", "结账时间"), of.closed_at.to_string()),
        (say("Invoice", "发票号"), of.invoice.clone().unwrap_or_else(|| "-".to_owned())),
    ];
    for (name, value) in facts {
        let _ = write!(out, "<tr><th>{}</th><td>{}</td></tr>", escape(name), escape(&value));
    }
    out.push_str("</table>");
    balances(&mut out, detail, lang);
    parts(&mut out, say("By project", "按项目"), &detail.projects, lang);
    parts(&mut out, say("By user", "按用户"), &detail.users, lang);
    usage(&mut out, detail, lang);
    corrections(&mut out, detail, lang);
    let shown = &detail.jobs[..detail.jobs.len().min(JOBS_MAX)];
    parts(&mut out, say("By job", "按作业"), shown, lang);
    if detail.truncated || detail.jobs_total > shown.len() as u64 {
        let more = say("There are more jobs; the CSV has all of them.", "作业未全部列出，完整明细见 CSV。");
        let _ = write!(out, "<p>{}</p>", escape(more));
    }
    out.push_str("</body></html>");
    out
}

fn balances(out: &mut String, detail: &StatementDetail, lang: Lang) {
    let of = &detail.statement;
    let say = |en, zh| lang.pick(en, zh);
    let _ = write!(out, "<h2>{}</h2><table>", escape(say("Account", "账户")));
    let rate = format!("{}.{:04} %", of.tax_ppm / 10_000, of.tax_ppm % 10_000);
    let rows = [
        (say("Opening balance", "期初余额").to_owned(), of.opening, false),
        (say("Paid in", "充值").to_owned(), of.top_ups, false),
        (say("Granted", "赠送").to_owned(), of.grants, false),
        (say("Taken out", "提现").to_owned(), of.withdrawals, false),
        (say("Charges", "计费").to_owned(), of.charges, false),
        (say("Given back", "退费").to_owned(), of.refunds, false),
        (say("Fees of contracts", "合同费用").to_owned(), of.fees, false),
        (say("Corrections", "更正").to_owned(), of.corrections, false),
        (say("Amount due", "应付金额").to_owned(), of.due, true),
        (format!("{} {rate}", say("of which tax,", "其中税额，税率")), of.tax, false),
        (say("Closing balance", "期末余额").to_owned(), of.closing, true),
        (say("Written off, not asked for", "核销，不计入").to_owned(), of.written_off, false),
    ];
    for (name, amount, sum) in rows {
        let class = if sum { " class=\"sum\"" } else { "" };
        let _ = write!(out, "<tr{class}><td>{}</td><td class=\"n\">{amount}</td></tr>", escape(&name));
    }
    out.push_str("</table>");
}

fn parts(out: &mut String, title: &str, parts: &[StatementPart], lang: Lang) {
    if parts.is_empty() {
        return;
    }
    let say = |en, zh| escape(lang.pick(en, zh));
    let _ = write!(out, "<h2>{}</h2><table><thead><tr>", escape(title));
    let jobs = parts.iter().any(|part| part.number.is_some());
    if jobs {
        let _ = write!(out, "<th class=\"n\">{}</th>", say("Job", "作业"));
    }
    let _ = write!(out, "<th>{}</th>", say("Name", "名称"));
    if jobs {
        let _ = write!(out, "<th>{}</th><th>{}</th>", say("User", "用户"), say("Project", "项目"));
    }
    for head in [
        say("Hours", "小时"),
        say("Charges", "计费"),
        say("Given back", "退费"),
        say("Corrections", "更正"),
        say("Paid by grants", "赠金抵扣"),
        say("Due", "应付"),
    ] {
        let _ = write!(out, "<th class=\"n\">{head}</th>");
    }
    out.push_str("</tr></thead><tbody>");
    for part in parts {
        out.push_str("<tr>");
        if let Some(number) = part.number {
            let _ = write!(out, "<td class=\"n\">{number}</td>");
        }
        let _ = write!(out, "<td>{}</td>", escape(&part.name));
        if jobs {
            let text = |text: &Option<String>| escape(text.as_deref().unwrap_or("-"));
            let _ = write!(out, "<td>{}</td><td>{}</td>", text(&part.user), text(&part.project));
        }
        let _ = write!(
            out,
            "<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td></tr>",
            part.hours, part.charges, part.refunds, part.corrections, part.credits, part.due
        );
    }
    out.push_str("</tbody></table>");
}

fn usage(out: &mut String, detail: &StatementDetail, lang: Lang) {
    if detail.usage.is_empty() {
        return;
    }
    let say = |en, zh| escape(lang.pick(en, zh));
    let _ = write!(out, "<h2>{}</h2><table><thead><tr>", say("Storage, traffic, requests", "存储、流量与请求"));
    for head in [say("Project", "项目"), say("Unit", "计价单位"), say("What", "对象")] {
        let _ = write!(out, "<th>{head}</th>");
    }
    let numbers =
        [say("Quantity", "数量"), say("Charges", "计费"), say("Paid by grants", "赠金抵扣"), say("Due", "应付")];
    for head in numbers {
        let _ = write!(out, "<th class=\"n\">{head}</th>");
    }
    out.push_str("</tr></thead><tbody>");
    for one in &detail.usage {
        let late = if one.late { lang.pick(" (of a month before)", "（属以前月份）") } else { "" };
        let what = format!("{}{late}", super::parts::what(one));
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escape(&one.project),
            one.unit.as_str(),
            escape(&what),
            one.quantity,
            one.charges,
            one.credits,
            one.due
        );
    }
    out.push_str("</tbody></table>");
}

fn corrections(out: &mut String, detail: &StatementDetail, lang: Lang) {
    if detail.corrections_made.is_empty() {
        return;
    }
    let say = |en, zh| escape(lang.pick(en, zh));
    let _ = write!(out, "<h2>{}</h2><table><thead><tr>", say("Corrections", "更正"));
    for head in [say("Time", "时间"), say("Job", "作业"), say("Reason", "原因"), say("By", "操作人")] {
        let _ = write!(out, "<th>{head}</th>");
    }
    let _ = write!(out, "<th class=\"n\">{}</th></tr></thead><tbody>", say("Amount", "金额"));
    for one in &detail.corrections_made {
        let job = one.number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{job}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td></tr>",
            one.at,
            escape(&one.reason),
            escape(&one.by),
            one.amount
        );
    }
    out.push_str("</tbody></table>");
}
