//! What went wrong, for programs (`code`) and people (`detail`): RFC 9457 problem documents with a closed list of codes.
//! Holds texts for the caller only; what the operator needs to know is in the log, under the request's id.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::MoneyText;

macro_rules! error_codes {
    ($($variant:ident $word:literal $status:literal $title:literal $zh:literal;)+) => {
        /// The stable code of a problem. Each has a page under the problem's `type`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode { $($variant),+ }

        impl ErrorCode {
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant),+];
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $word),+ }
            }
            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(ErrorCode::$variant => $status),+ }
            }
            /// The same for every occurrence, English.
            pub const fn title(self) -> &'static str {
                match self { $(ErrorCode::$variant => $title),+ }
            }
            pub const fn title_zh(self) -> &'static str {
                match self { $(ErrorCode::$variant => $zh),+ }
            }
        }
    };
}

error_codes! {
    Malformed "malformed" 400 "The request cannot be read" "请求无法解析";
    BadCursor "bad_cursor" 400 "The cursor is not one of this list" "游标无效";
    Unauthenticated "unauthenticated" 401 "Sign in first" "请先登录";
    SignInFailed "sign_in_failed" 401 "Name or password is wrong" "用户名或密码错误";
    InsufficientFunds "insufficient_funds" 402 "The balance does not cover it" "余额不足";
    OverBudget "over_budget" 402 "A budget does not allow it" "超出预算";
    CsrfMissing "csrf_missing" 403 "The header X-HW-CSRF is missing" "缺少 X-HW-CSRF 请求头";
    Forbidden "forbidden" 403 "Your role does not allow it" "角色权限不足";
    ScopeTooNarrow "scope_too_narrow" 403 "The token's scope does not allow it" "令牌权限不足";
    OperatorOnly "operator_only" 403 "Only an operator may do this" "仅限运营方操作";
    NotFound "not_found" 404 "There is no such thing" "未找到";
    JobNotFound "job_not_found" 404 "There is no such job" "作业不存在";
    LogNotFound "log_not_found" 404 "There is no such output" "输出文件不存在";
    FileNotFound "file_not_found" 404 "There is no such file" "文件不存在";
    RouteNotFound "route_not_found" 404 "There is no such path" "路径不存在";
    MethodNotAllowed "method_not_allowed" 405 "The path does not know this method" "请求方法不支持";
    WrongState "wrong_state" 409 "Its present state does not allow it" "当前状态不允许该操作";
    NameTaken "name_taken" 409 "The name is taken" "名称已被占用";
    TenantSuspended "tenant_suspended" 409 "The tenant is suspended" "租户已停用";
    UserDisabled "user_disabled" 409 "The user is disabled" "用户已停用";
    IdempotencyKeyReused "idempotency_key_reused" 409 "The key was used for another request" "幂等键已用于其他请求";
    NoPrice "no_price" 409 "There is no price for it" "尚无价格";
    LedgerRefused "ledger_refused" 409 "The ledger refused" "账本拒绝";
    WrongOffset "wrong_offset" 409 "The piece begins elsewhere" "分片起点不符";
    FileExists "file_exists" 409 "There is a file of that name" "同名文件已存在";
    OverQuota "over_quota" 409 "The quota does not allow it" "超出存储配额";
    BodyTooLarge "body_too_large" 413 "The body is too large" "请求体过大";
    TargetTooLong "target_too_long" 414 "Path or query is too long" "路径或查询过长";
    UnsupportedMediaType "unsupported_media_type" 415 "Send JSON" "请发送 JSON";
    RangeNotSatisfiable "range_not_satisfiable" 416 "The file has no such bytes" "请求的范围超出文件";
    ChecksumMismatch "checksum_mismatch" 422 "What arrived is not what was announced" "校验和不符";
    Invalid "invalid" 422 "A value makes no sense" "参数无效";
    ScriptInvalid "script_invalid" 422 "The job's description has faults" "作业描述有误";
    StatementInvalid "statement_invalid" 422 "The statement has faults" "对账单有误";
    BadName "bad_name" 422 "This is not a name" "名称不合规";
    DependencyNotFound "dependency_not_found" 422 "A dependency does not exist" "依赖的作业不存在";
    ForeignProject "foreign_project" 422 "The project belongs to another tenant" "项目属于其他租户";
    NoFeasiblePool "no_feasible_pool" 422 "No pool can ever run it" "没有资源池可运行该作业";
    RegionNotAllowed "region_not_allowed" 422 "The job may not run there" "作业不可在该地域运行";
    ArrayTooLarge "array_too_large" 422 "The array is too large" "作业组过大";
    MoneyRange "money_range" 422 "The amount is out of range" "金额超出范围";
    TooManyRequests "too_many_requests" 429 "Too many requests" "请求过于频繁";
    TooManyStreams "too_many_streams" 429 "Too many open streams" "实时连接过多";
    QueueFull "queue_full" 429 "The queue is full" "队列已满";
    HeadersTooLarge "headers_too_large" 431 "A header is too long" "请求头过长";
    Internal "internal" 500 "A defect of the platform" "平台内部错误";
    StoreUnavailable "store_unavailable" 503 "Nothing can be stored now" "暂时无法写入";
    NotActive "not_active" 503 "No server is active now" "当前没有活动的服务器";
    Stopping "stopping" 503 "The server is stopping" "服务器正在停止";
    MailUnavailable "mail_unavailable" 503 "The mail could not be sent" "邮件未能发出";
    ClusterUnavailable "cluster_unavailable" 503 "The cluster does not answer" "集群无响应";
}

impl ErrorCode {
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.as_str() == text)
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A problem document (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Address of the code's page.
    #[serde(rename = "type")]
    #[schema(example = "https://headworks.dev/errors/insufficient_funds")]
    pub page: String,
    pub title: String,
    pub status: u16,
    pub code: ErrorCode,
    /// This occurrence, in English.
    pub detail: String,
    /// Name it when asking the operator.
    pub request_id: String,
    /// Single faults, for `script_invalid` and `invalid`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<MoneyText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<MoneyText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<MoneyText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// One fault of a request or of a job's description.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Line of the script, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Long name of the option or field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
    /// Stable kind of the fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A document without the parts that only some codes have.
    pub fn new(code: ErrorCode, detail: impl Into<String>, request_id: impl Into<String>) -> Self {
        Self {
            page: format!("{}{code}", crate::ERROR_PAGES),
            title: code.title().into(),
            status: code.status(),
            code,
            detail: detail.into(),
            request_id: request_id.into(),
            errors: Vec::new(),
            needed: None,
            available: None,
            missing: None,
            currency: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sent_as_they_are_written() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!((400..=599).contains(&code.status()));
            assert!(!code.title().is_empty() && !code.title_zh().is_empty());
            assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
        }
    }

    #[test]
    fn empty_parts_are_left_out() {
        let problem = Problem::new(ErrorCode::NotFound, "there is no such pool", "req_1");
        let text = serde_json::to_string(&problem).unwrap();
        assert_eq!(
            text,
            r#"{"type":"https://headworks.dev/errors/not_found","title":"There is no such thing","status":404,"code":"not_found","detail":"there is no such pool","request_id":"req_1"}"#
        );
        assert_eq!(serde_json::from_str::<Problem>(&text).unwrap(), problem);
    }
}
