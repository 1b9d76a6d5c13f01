//! The one catalogue of texts in both languages: why a job waits, why a pool cannot take it, what happened.
//! Texts are found by a stable code and carry placeholders in braces; knows nothing of where the values come from.

/// A text in English and Chinese.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Both {
    pub en: String,
    pub zh: String,
}

/// One entry of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub code: &'static str,
    pub en: &'static str,
    pub zh: &'static str,
}

const fn entry(code: &'static str, en: &'static str, zh: &'static str) -> Entry {
    Entry { code, en, zh }
}

/// Why a job does not run yet.
pub const REASONS: &[Entry] = &[
    entry(
        "resources",
        "waits for room: {requested} needed on each node, {available} free in {pool}",
        "等待资源：每节点需要 {requested}，{pool} 空闲 {available}",
    ),
    entry("priority", "{ahead} jobs ahead of it have the claim", "前面还有 {ahead} 个作业优先"),
    entry("queued", "in the queue, not looked at yet since the last change", "排队中，尚待调度"),
    entry("starting", "handed over to {pool}, waiting for its start there", "已交付 {pool}，等待启动"),
    entry("held_user", "held by its owner", "已被用户挂起"),
    entry("held_operator", "held by the operator", "已被运营方挂起"),
    entry(
        "held_platform",
        "held by the platform after too many failed starts, or because its budget is used up; release it to try again",
        "多次启动失败或预算已用完，已被平台挂起；释放后重试",
    ),
    entry("begin_time", "starts at {at} at the earliest", "最早于 {at} 开始"),
    entry("dependency", "waits for job {on} to end", "等待作业 {on} 结束"),
    entry(
        "dependency_never",
        "job {on} did not end as required: it can never start",
        "依赖的作业 {on} 未按要求结束，无法开始",
    ),
    entry("array_limit", "at most {limit} elements of its array run at once", "作业组同时最多运行 {limit} 个"),
    entry("no_feasible_pool", "no pool could ever run it; its explanation says why", "没有资源池可运行，详见调度说明"),
    entry("pools_unavailable", "every pool that could run it is down or drained", "可用的资源池均已停用或排空"),
    entry(
        "not_in_service",
        "only {pool} could run it, whose cluster is not in service",
        "仅 {pool} 可运行，但其集群未投入服务",
    ),
    entry(
        "cluster_total",
        "all jobs on the cluster of {pool} together may take {available} more, it asks for {requested}",
        "{pool} 所在集群的账户额度尚余 {available}，需要 {requested}",
    ),
    entry(
        "licence",
        "{available} of the licence {name} are free on the cluster of {pool}, it asks for {requested}",
        "{pool} 所在集群的许可证 {name} 空闲 {available} 个，需要 {requested} 个",
    ),
    entry(
        "borrowing_limit",
        "the tenant holds its part of the own pools and what it may borrow: {available} left, it asks for {requested}",
        "租户已用满自有资源份额及可借额度：尚余 {available}，需要 {requested}",
    ),
    entry(
        "lending_limit",
        "other tenants leave and lend {available} of the own pools, it asks for {requested}",
        "其他租户可出借的自有资源尚余 {available}，需要 {requested}",
    ),
    entry(
        "window",
        "nodes of {pool} are kept by the reservation {name} from {from} to {until}",
        "{pool} 的节点在 {from} 至 {until} 由预约 {name} 占用",
    ),
    entry(
        "switches",
        "no {requested} free nodes of {pool} stand below {switches} switches",
        "{pool} 中没有位于 {switches} 个交换机之下的 {requested} 个空闲节点",
    ),
    entry(
        "making_room",
        "room is made for it in {pool}: {jobs} running jobs end by {at}",
        "{pool} 正在为其腾出资源：{jobs} 个运行中的作业将于 {at} 前结束",
    ),
    entry(
        "balance",
        "the balance does not cover it: {needed} needed, {available} available",
        "余额不足：需要 {needed}，可用 {available}",
    ),
    entry(
        "retry",
        "tries again at {at} after a failure of the machine or the hand-over",
        "机器或交付失败，将于 {at} 重试",
    ),
];

/// What a pool is to a job: `feasible`, or the rule that says no.
pub const RULES: &[Entry] = &[
    entry("feasible", "can run it", "可运行"),
    entry("pool_not_named", "is not among the pools the job names", "不在作业指定的资源池之列"),
    entry("tenant_not_admitted", "is not open to this tenant", "不对该租户开放"),
    entry(
        "contract_tier",
        "the tenant's contract draws on {requested} pools, this is one of {available}",
        "租户合同使用{requested}资源池，此处为{available}资源池",
    ),
    entry(
        "residency",
        "stands in {available}, the tenant's data may be in {requested} only",
        "位于 {available}，租户数据仅限 {requested}",
    ),
    entry(
        "region",
        "stands in {available}, the job is to run in {requested}",
        "位于 {available}，作业限定 {requested}",
    ),
    entry(
        "interconnect",
        "its nodes are joined by {available}, asked for is {requested}",
        "节点互连为 {available}，需要 {requested}",
    ),
    entry(
        "training_interconnect",
        "its nodes are joined at {available}, training on several nodes is given {requested} or more",
        "节点互连带宽为 {available}，多节点训练须不低于 {requested}",
    ),
    entry(
        "app_variant",
        "the application was verified on {requested}, this is {available}",
        "应用已在 {requested} 上验证，此处为 {available}",
    ),
    entry("chip", "has {available}, asked for is {requested}", "芯片为 {available}，需要 {requested}"),
    entry("node_shape", "a node has {available}, asked for are {requested}", "单节点为 {available}，需要 {requested}"),
    entry(
        "nodes_too_few",
        "has {available} nodes, asked for are {requested}",
        "共 {available} 个节点，需要 {requested} 个",
    ),
    entry("no_price", "some of what is asked for has no price there yet", "所申请的部分资源在此尚无价格"),
    entry("no_gpu_price", "its cards have no price yet", "加速卡尚无价格"),
    entry(
        "time_limit",
        "runs jobs for at most {available}, asked for are {requested}",
        "最长运行 {available}，需要 {requested}",
    ),
    entry(
        "nodes_min",
        "a job takes at least {available} nodes, asked for are {requested}",
        "每个作业至少 {available} 个节点，申请了 {requested} 个",
    ),
    entry(
        "nodes_max",
        "a job may have {available} nodes, asked for are {requested}",
        "每个作业最多 {available} 个节点，申请了 {requested} 个",
    ),
    entry(
        "job_total",
        "a job may take {available} in all, asked for is {requested}",
        "每个作业总量上限 {available}，申请了 {requested}",
    ),
    entry(
        "cluster_total",
        "all jobs on its cluster together may take {available}, asked for is {requested}",
        "集群账户总额度 {available}，申请了 {requested}",
    ),
    entry("feature_unknown", "no node has the feature {requested}", "没有节点具有特性 {requested}"),
    entry(
        "features",
        "{available} nodes have the features asked for: {requested}",
        "具有所需特性的节点 {available} 个，需要 {requested}",
    ),
    entry(
        "switches",
        "{available} nodes stand below as few switches, asked for are {requested}",
        "限定交换机数之下有 {available} 个节点，需要 {requested} 个",
    ),
    entry(
        "reservation",
        "has no nodes in the reservation {requested}; open to the platform: {available}",
        "预约 {requested} 不含其节点；可用的预约：{available}",
    ),
    entry(
        "borrowing_limit",
        "the tenant may take {available} more of the own pools with what it may borrow, asked for is {requested}",
        "租户在自有资源中的份额与可借额度尚余 {available}，需要 {requested}",
    ),
    entry(
        "lending_limit",
        "other tenants leave and lend {available} of the own pools, asked for is {requested}",
        "其他租户可出借的自有资源尚余 {available}，需要 {requested}",
    ),
    entry(
        "licence",
        "its cluster has {available} of the licence, asked for is {requested}",
        "集群许可证共 {available} 个，需要 {requested}",
    ),
    entry("not_in_service", "its cluster is not in service ({available})", "集群未投入服务（{available}）"),
    entry("avoided", "the job was moved away from it a short while ago", "作业刚从此处移走，暂不返回"),
    entry("unreachable", "its cluster does not answer now", "集群暂无响应"),
    entry(
        "nodes_down",
        "{available} nodes are up now, asked for are {requested}",
        "当前可用 {available} 个节点，需要 {requested} 个",
    ),
    entry(
        "reserve",
        "{available} nodes are up beside those kept in reserve, asked for are {requested}",
        "预留水位之外可用 {available} 个节点，需要 {requested} 个",
    ),
];

/// What happened.
pub const EVENTS: &[Entry] = &[
    entry("submitted", "submitted; {hold} set aside", "已提交，冻结 {hold}"),
    entry("held", "held ({by})", "已挂起（{by}）"),
    entry("released", "released", "已释放"),
    entry("placed", "placed in {pool} as attempt {attempt}", "已分配到 {pool}（第 {attempt} 次尝试）"),
    entry("queued", "taken by the cluster", "集群已接收"),
    entry("started", "started on {nodes}", "已在 {nodes} 启动"),
    entry("ending", "asked to end ({cause})", "正在结束（{cause}）"),
    entry("ended", "ended: {outcome}, {charged} charged", "已结束：{outcome}，计费 {charged}"),
    entry("requeued", "back in the queue after {after}", "{after} 后重新排队"),
    entry("hand_over_failed", "the cluster did not take it: {text}", "集群未接收：{text}"),
    entry(
        "balance_low",
        "the balance is low: {available} available, {needed} needed; stops at {stop_at}",
        "余额不足：可用 {available}，需要 {needed}；将于 {stop_at} 停止",
    ),
    entry(
        "budget_alert",
        "budget {budget}: {percent} % are spent, {spent} of {amount}, until {until}",
        "预算 {budget} 已使用 {percent}%：{amount} 中的 {spent}，截至 {until}",
    ),
    entry(
        "supplier_term_over",
        "the term agreed on with {supplier} is over; its pool {pool} serves on",
        "与 {supplier} 约定的期限已到；其资源池 {pool} 继续服务",
    ),
    entry(
        "budget_stop",
        "budget {budget} is used up: its running work is stopped at {stop_at}",
        "预算 {budget} 已用完：其运行中的作业将于 {stop_at} 停止",
    ),
    entry(
        "interrupted",
        "interrupted on its cluster ({outcome}) and queued there again: {text}",
        "被集群中断（{outcome}）并在原处重新排队：{text}",
    ),
    entry("suspended", "suspended by its cluster; this time is not billed", "被集群暂停，暂停时间不计费"),
    entry("continued", "goes on", "继续运行"),
    entry("remark", "the cluster says: {text}", "集群消息：{text}"),
    entry(
        "fetched",
        "{files} result files ({bytes} bytes) are in the file space, in {folder}",
        "{files} 个结果文件（{bytes} 字节）已存入文件空间 {folder}",
    ),
    entry("uploaded", "put into its work folder: {path} ({bytes} bytes)", "已向工作目录上传 {path}（{bytes} 字节）"),
    entry("fetch_failed", "its results were not fetched: {text}", "结果未取回：{text}"),
    entry(
        "restored",
        "goes on from the checkpoint of {at} taken over from attempt {from}: {files} files ({bytes} bytes)",
        "接续第 {from} 次尝试于 {at} 的检查点：{files} 个文件（{bytes} 字节）",
    ),
    entry("checkpoint_failed", "no checkpoint was taken: {text}", "未能保存检查点：{text}"),
    entry(
        "preempting",
        "is to make room for work that goes first ({why}): signal {signal} sent, ends at {at}, queued again",
        "为优先作业（{why}）让出资源：已发送信号 {signal}，将于 {at} 结束并重新排队",
    ),
    entry("spared", "need not make room any more and goes on", "无需再让出资源，继续运行"),
    entry("withdrawn", "given back by the cluster before it counted", "集群已退回"),
    entry(
        "waived",
        "{amount} given back: attempt {attempt} does not count",
        "退回 {amount}：第 {attempt} 次尝试不计费",
    ),
    entry("moved", "to run elsewhere than {from}: {why}", "离开 {from} 另行安排：{why}"),
    entry(
        "twinned",
        "{from} does not answer: a second attempt is made elsewhere, the first to complete counts",
        "{from} 无响应：另行启动副本，先完成者有效",
    ),
    entry("returned", "attempt {attempt} on {pool} counts again", "恢复以 {pool} 上的第 {attempt} 次尝试为准"),
    entry(
        "late_answer",
        "attempt {attempt}, given up before, was heard of again and is ended there",
        "已放弃的第 {attempt} 次尝试重新出现，正在原处结束",
    ),
    entry("balance_restored", "the balance covers it again", "余额已恢复"),
    entry("time_limit_warning", "near its time limit: signal {signal} sent", "即将超时，已发送信号 {signal}"),
    entry("priority_changed", "its class was changed", "优先级已修改"),
    entry("time_limit_changed", "its time limit is now {time_limit}", "时限改为 {time_limit}"),
    entry("wallet_changed", "{amount} booked to the wallet", "钱包变动 {amount}"),
    entry("corrected", "what was billed is corrected by {amount}: {reason}", "账单更正 {amount}：{reason}"),
    entry(
        "statement_closed",
        "{month} is closed: statement {statement}, due {due}",
        "{month} 已结账：账单 {statement}，应付 {due}",
    ),
    entry("pool_changed", "pool {pool} was changed", "资源池 {pool} 已变更"),
    entry("node_changed", "node {node} of {pool} is {state}", "{pool} 的节点 {node} 状态为 {state}"),
    entry("cluster_unreachable", "cluster {cluster} does not answer", "集群 {cluster} 无响应"),
    entry("cluster_reachable", "cluster {cluster} answers again", "集群 {cluster} 已恢复"),
    entry("tenant_changed", "the tenant was changed", "租户已变更"),
    entry("user_changed", "user {user} was changed", "用户 {user} 已变更"),
    entry("prices_changed", "new prices were published", "价目已更新"),
    entry("contract_signed", "contract {contract} was signed", "合同 {contract} 已签订"),
    entry(
        "contract_unpaid",
        "the month of contract {contract} waits for its fee: {fee} needed, {available} available",
        "合同 {contract} 当月未生效：需 {fee}，可用 {available}",
    ),
    entry("contract_broken_off", "contract {contract} was broken off", "合同 {contract} 已提前终止"),
    entry("contract_over", "contract {contract} is over", "合同 {contract} 已结束"),
    entry("grant_given", "grant {grant}: {amount} for free", "赠金 {grant}：{amount}"),
    entry("grant_revoked", "grant {grant} was revoked, {amount} went back", "赠金 {grant} 已撤销，收回 {amount}"),
    entry("grant_expired", "grant {grant} is over, {amount} went back", "赠金 {grant} 已到期，收回 {amount}"),
];

/// Words inside texts: states, outcomes, causes, holders.
pub const WORDS: &[Entry] = &[
    entry("user", "by the user", "用户"),
    entry("operator", "by the operator", "运营方"),
    entry("platform", "by the platform", "平台"),
    entry("cancelled", "cancelled", "已取消"),
    entry("time_limit", "time limit", "超时"),
    entry("balance", "balance", "余额不足"),
    entry("preempted", "preempted", "被抢占"),
    entry("requeued", "to run again", "重新运行"),
    entry("withdrawn", "asked back", "撤回"),
    entry("unreachable", "its cluster does not answer", "集群无响应"),
    entry("unavailable", "its nodes take no work", "节点不可用"),
    entry("stuck", "it waits there for too long", "排队过久"),
    entry("class", "its class", "优先级"),
    entry("contract", "its tenant's contract", "租户合同"),
    entry("completed", "completed", "已完成"),
    entry("failed", "failed", "失败"),
    entry("timeout", "time limit reached", "超时"),
    entry("out_of_memory", "out of memory", "内存不足"),
    entry("node_fail", "failure of the machine", "节点故障"),
    entry("own", "the operator's own", "自有"),
    entry("partner", "partners'", "合作"),
    entry("up", "up", "可用"),
    entry("drained", "drained", "排空"),
    entry("down", "down", "停用"),
];

/// The entry of a code in one part of the catalogue.
pub fn find(part: &[Entry], code: &str) -> Option<Entry> {
    part.iter().copied().find(|e| e.code == code)
}

/// The text of `code` with its placeholders filled from `values`. A code without an entry shows itself, so that a
/// missing text is seen and not silent; tests keep that from happening.
pub fn say(part: &[Entry], code: &str, values: &[(&str, Both)]) -> Both {
    match find(part, code) {
        Some(entry) => Both { en: fill(entry.en, values, |b| &b.en), zh: fill(entry.zh, values, |b| &b.zh) },
        None => same(code),
    }
}

/// A value that reads the same in both languages.
pub fn same(text: impl Into<String>) -> Both {
    let en = text.into();
    Both { zh: en.clone(), en }
}

/// A word of the catalogue as a value.
pub fn word(code: &str) -> Both {
    find(WORDS, code).map_or_else(|| same(code), |e| Both { en: e.en.into(), zh: e.zh.into() })
}

fn fill<'a>(template: &str, values: &'a [(&str, Both)], side: impl Fn(&'a Both) -> &'a String) -> String {
    let mut text = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((name, tail)) = after.split_once('}') else { break };
        match values.iter().find(|(n, _)| *n == name) {
            Some((_, value)) => text.push_str(side(value)),
            None => text.push('…'),
        }
        rest = tail;
    }
    text.push_str(rest);
    text
}

/// The names in braces of a template, in order of the alphabet.
pub fn placeholders(template: &str) -> Vec<&str> {
    let mut names: Vec<&str> =
        template.split('{').skip(1).filter_map(|p| p.split_once('}')).map(|(name, _)| name).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_say_the_same_and_nothing_is_empty() {
        for part in [REASONS, RULES, EVENTS, WORDS] {
            for (i, e) in part.iter().enumerate() {
                assert!(!e.en.trim().is_empty() && !e.zh.trim().is_empty(), "{}", e.code);
                assert_eq!(placeholders(e.en), placeholders(e.zh), "{}", e.code);
                assert!(!e.zh.is_ascii(), "{}: not Chinese", e.code);
                assert!(part[..i].iter().all(|o| o.code != e.code), "{} twice", e.code);
            }
        }
    }

    #[test]
    fn placeholders_are_filled_in_each_language() {
        let said = say(EVENTS, "held", &[("by", word("operator"))]);
        assert_eq!(said, Both { en: "held (by the operator)".into(), zh: "已挂起（运营方）".into() });
        assert_eq!(say(EVENTS, "held", &[]).en, "held (…)");
        assert_eq!(say(EVENTS, "unheard_of", &[]), same("unheard_of"));
        // A value with braces is not filled again.
        assert_eq!(say(EVENTS, "held", &[("by", same("{by}"))]).en, "held ({by})");
    }
}
