//! Every text of the command line's output and talk, in both languages. Gaps are `{named}`. Help texts are in `help.rs`; texts
//! about jobs, reasons and errors come from the server in both languages.

use super::Lang;

macro_rules! catalogue {
    ($($word:ident $en:literal $zh:literal;)+) => {
        /// A text. Its name in snake case names the value in bare output.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Word { $($word),+ }

        impl Word {
            #[cfg(test)]
            pub const ALL: &[Word] = &[$(Word::$word),+];
            /// The text as it stands, with its gaps.
            pub const fn text(self, lang: Lang) -> &'static str {
                match (self, lang) {
                    $((Word::$word, Lang::En) => $en, (Word::$word, Lang::Zh) => $zh,)+
                }
            }
            pub(super) const fn name(self) -> &'static str {
                match self { $(Word::$word => stringify!($word)),+ }
            }
        }
    };
}

catalogue! {
    // Labels; headings of tables are the same in capitals.
    Address "Address" "地址";
    Amount "Amount" "金额";
    Api "API of the server" "服务器 API";
    Arguments "Arguments" "参数";
    Asked "Asked for" "申请资源";
    Attempt "Attempt" "尝试";
    Attempts "Attempts" "运行尝试";
    Available "Available" "可用";
    Backend "Kind" "后端";
    Balance "Balance" "余额";
    Begin "Not before" "最早开始";
    Candidates "Candidates" "候选资源池";
    CardHour "Card-hour" "卡时价";
    CardHours "Card-hours" "卡时";
    Case "Case" "用例";
    Charge "Charge" "费用";
    Charged "Charged" "已计费";
    ChargedSoFar "Charged so far" "目前费用";
    Chip "Chip" "芯片";
    Chips "Chips" "可用芯片";
    Chosen "Chosen" "选中";
    Class "Class" "优先级";
    ClockOffset "Its clock less ours" "时钟差";
    Cluster "Cluster" "集群";
    Comment "Comment" "备注";
    Connected "Connected" "已连接";
    CoreHour "Core-hour" "核时价";
    CoreHours "Core-hours" "核时";
    Cost "Cost" "成本";
    CpuTime "CPU time" "CPU 时间";
    CpusPerTask "Cores per task" "每任务核数";
    Created "Created" "创建时间";
    CreditLimit "Credit limit" "信用额度";
    Currency "Currency" "币种";
    Datacentre "Data centre" "机房费";
    Deadline "Not after" "截止时间";
    Dependencies "Waits for" "依赖";
    Depreciation "Depreciation" "折旧";
    Detail "Detail" "详情";
    Digest "SHA-256" "SHA-256 校验和";
    Disabled "Disabled" "停用";
    EffectiveFrom "Effective from" "生效时间";
    Elements "Elements" "组内作业数";
    Ended "Ended" "结束时间";
    Exit "Exit" "退出码";
    ExitCode "Exit" "退出码";
    ExpectedStart "Expected start" "预计开始";
    Expires "Expires" "到期时间";
    Failures "Failures" "失败数";
    ForecastKept "Forecast kept" "预测命中";
    Free "Free" "空闲";
    From "From" "起";
    GibHour "GiB-hour" "内存时价";
    GibHours "GiB-hours" "内存时";
    Granted "Granted" "分配资源";
    Health "Health" "健康状况";
    Id "ID" "ID";
    Job "Job" "作业";
    Key "Key" "配置项";
    LastSeen "Last seen" "最近通信";
    Kind "Type" "类型";
    Label "Label" "用途";
    Lag "Lag" "滞后";
    LastContact "Last contact" "最近联系";
    LookedAt "Looked at" "评估时间";
    Machine "Machine" "主机";
    Margin "Margin" "毛利";
    MarginPercent "Margin %" "毛利率 %";
    Meaning "Meaning" "含义";
    Memo "Memo" "附言";
    MemoryPeak "Peak memory" "内存峰值";
    Metered "Metered intervals" "计量区间";
    Modified "Modified" "修改时间";
    Mode "Mode" "供应方式";
    Name "Name" "名称";
    Node "Node" "节点";
    NodeList "Nodes" "节点列表";
    NodeShape "Each node" "单节点资源";
    Nodes "Nodes" "节点数";
    NodesAreUp "Up" "在线节点";
    NodesDown "Down" "故障节点";
    NodesDrained "Drained" "排空节点";
    NodesUp "Nodes up" "在线节点数";
    Note "Cluster says" "集群说明";
    Number "No." "序号";
    Origin "Comes from" "来源";
    Path "Path" "路径";
    Phase "Phase" "阶段";
    Pool "Pool" "资源池";
    Pools "Pools" "资源池数";
    PoolsAllowed "Pools allowed" "限定资源池";
    Price "Price" "价格";
    QueueWait "Waits there" "集群内排队";
    ProductLine "Product line" "产品线";
    Program "This program" "本程序";
    Project "Project" "项目";
    Read "Read" "读取";
    Reason "Reason" "原因";
    Remark "Remark" "说明";
    Remarks "What clusters say of themselves" "集群说明";
    Report "Report" "报告";
    Requested "Requested" "申请";
    Requeues "Requeue on failure" "故障重跑";
    Checkpoint "Checkpoint" "检查点";
    Revenue "Revenue" "收入";
    Revoked "Revoked" "吊销时间";
    Role "Role" "角色";
    RunTime "Run time" "运行时长";
    Running "Running jobs" "运行作业数";
    Scope "Scope" "权限范围";
    Score "Score" "评分";
    Seen "Seen" "观察结果";
    Server "Server" "服务器";
    Service "Service" "服务状态";
    SetAside "Set aside" "冻结";
    Shares "Shares" "份额";
    Size "Size" "大小";
    Site "Site" "站点";
    Started "Started" "开始时间";
    State "State" "状态";
    Status "Status" "启用状态";
    Tier "Contract" "合同类型";
    Regions "Regions" "地域";
    Stderr "Standard error" "标准错误";
    Stdout "Standard output" "标准输出";
    SubmittedAt "Submitted" "提交时间";
    Sum "Total charge" "费用合计";
    Summary "Summary" "汇总";
    Supplier "Supplier" "供应方";
    Target "Target" "对象";
    Tasks "Tasks" "任务数";
    Tenant "Tenant" "租户";
    Time "Time" "时间";
    TimeLimit "Time limit" "时限";
    TimeLimitMax "Longest time limit" "最长时限";
    Timeline "Timeline" "时间线";
    Total "Total" "总量";
    Tried "Trial passed" "试运行通过";
    Trouble "Trouble" "问题";
    Uncollected "Uncollected" "未收";
    Until "Until" "止";
    User "User" "用户";
    Value "Value" "取值";
    Verdict "Verdict" "结论";
    Waited "Waited" "等待时长";
    WaitingJobs "Waiting jobs" "等待作业数";
    Way "Way in" "接入方式";
    What "What" "事件";
    Who "By" "操作者";
    Waiting "Events waiting" "待收事件";
    WorkDir "Works in" "工作目录";
    WouldRunIn "Would run in" "将运行于";
    AllocatedPercent "Allocated %" "已分配 %";
    ArrivedPercent "Arrived %" "已到达 %";
    PodsArrived "Pods arrived" "到达 pod 数";
    PodsDropped "Pods that fitted nowhere" "无处可放的 pod 数";
    UnallocatedPercent "Unallocated %" "未分配 %";
    CpuPercent "Processors in use %" "处理器占用 %";
    BoundedSlowdown "Bounded slowdown" "有界减速比";
    Jobs "Jobs" "作业数";
    ContractFees "Contracts" "合同收入";
    PartnerFees "Fees" "合作方费用";
    OwnCost "Own, used" "自有占用成本";
    IdleCost "Own, idle" "自有闲置成本";
    PromisesKept "Promises kept" "承诺兑现";
    PromisesBroken "broken" "违约";
    Makespan "Makespan" "总时长";
    MeanWait "Mean wait" "平均等待";
    Moved "Moved" "迁移作业数";
    Policy "Policy" "策略";
    Processors "Processors" "处理器数";
    Router "Router" "路由";
    TookTime "Took" "耗时";
    PolicyA "Policy A" "策略 A";
    PolicyB "Policy B" "策略 B";
    Figure "Figure" "指标";
    MeanA "A" "A 均值";
    MeanB "B" "B 均值";
    DifferenceMean "B − A" "B − A 差值";
    IntervalLow "95 % from" "95% 下限";
    IntervalHigh "95 % to" "95% 上限";
    RelativePercent "%" "相对 %";
    IsClear "Beyond chance" "超出随机误差";
    PairsPlayed "Pairs played" "已完成对数";
    PlotTitle "Replay under {policy}" "策略 {policy} 下的重演";
    PlotTime "time since the beginning" "自起点的时间";
    PlotUse "Processors in use" "处理器利用率";
    PlotUseByPool "Processors in use, by pool" "各资源池处理器利用率";
    PlotUseByMode "Processors in use, by supply mode" "各供给方式处理器利用率";
    PlotOwn "own" "自有";
    PlotPartner "partner" "合作";
    PlotWaitingJobs "Jobs waiting" "排队作业数";
    PlotWaitingProcs "Processors asked for by waiting jobs" "排队作业所需处理器数";
    PlotMoney "Money since the beginning" "累计收支";
    PlotMoneyNote "What a job brings and costs is spread over its last run; own pools cost the same whether used or idle." "作业的收入与成本均摊于其最后一次运行；自有资源池无论占用或闲置成本不变。";
    PlotWaits "Share of jobs that waited at most so long" "等待时间的累积分布";
    PlotWaitsAxis "wait, s" "等待，秒";
    PlotSlowdowns "Share of jobs slowed down at most so much" "有界减速比的累积分布";
    PlotBars "Who had which processors" "处理器占用甘特图";
    PlotBarsNote "Each job stands on the lowest processors that were free when it started; colours only tell neighbours apart." "每个作业绘于其开始时编号最小的空闲处理器上；颜色仅用于区分相邻作业。";
    Utilization "Utilisation" "利用率";
    WaitMax "Longest wait" "最长等待";
    WaitP95 "95 % wait at most" "95% 等待不超过";
    Written "Written" "写入";

    // Prompts and questions.
    UserName "User name" "用户名";
    OneTimePassword "One-time password" "一次性密码";
    Password "Password" "密码";
    PasswordOld "Present password" "当前密码";
    PasswordNew "New password" "新密码";
    PasswordAgain "New password again" "再次输入新密码";
    ReallyCancel "Cancel {n} jobs?" "确定取消 {n} 个作业吗？";
    ReallyDown "Declare {nodes} dead? Work on it will be run again elsewhere." "确定将 {nodes} 标记为故障吗？其上的作业将在别处重跑。";
    ReallyRetire "Retire {cluster}? Nothing new is given to it; what runs there goes on." "确定停用集群 {cluster} 吗？不再分配新作业，运行中的作业继续。";
    ReallyTrial "Try {cluster} now with a handful of real jobs (about two minutes), and put it into service if they all pass?" "现在用少量真实作业试运行 {cluster}（约两分钟），全部通过后投入服务吗？";
    ReallyDisable "Disable {name} and revoke all tokens?" "确定停用 {name} 并吊销其全部令牌吗？";
    ReallyRevokeSite "Take the key of {site} back? Its agent will not be let in until it joins with a new token." "确定收回站点 {site} 的密钥吗？其代理须以新令牌重新加入后才能接入。";
    ReallySteer "The policy will change:\n  {changes}\nPut it into force?" "策略将变更：\n  {changes}\n确定生效吗？";
    ReallyPublish "Publish prices {name} in {currency}? A published version cannot be changed." "确定发布 {currency} 价目 {name} 吗？发布后不可更改。";

    // Talk.
    Submitted "Job {job} is handed in; {amount} {currency} set aside." "作业 {job} 已提交，冻结 {amount} {currency}。";
    SubmittedArray "Jobs {job} to {last} ({elements} elements) are handed in; {amount} {currency} set aside." "作业 {job} 至 {last}（共 {elements} 个）已提交，冻结 {amount} {currency}。";
    DryRun "Nothing is handed in. It would set aside {amount} {currency}." "未提交。若提交将冻结 {amount} {currency}。";
    LeftRunning "Job {job} goes on; look at it with `hw show {job}`, end it with `hw cancel {job}`." "作业 {job} 继续运行；用 `hw show {job}` 查看，用 `hw cancel {job}` 取消。";
    JobEnded "Job {job} ended: {state}, {amount} {currency} charged." "作业 {job} 已结束：{state}，计费 {amount} {currency}。";
    ArrayProgress "{ended} of {elements} elements have ended." "{elements} 个组内作业已结束 {ended} 个。";
    JobHeld "Job {job} is held." "作业 {job} 已挂起。";
    JobReleased "Job {job} is released." "作业 {job} 已放行。";
    JobRequeued "Job {job} is queued again." "作业 {job} 已重新排队。";
    JobCancelled "Job {job} is being cancelled." "作业 {job} 正在取消。";
    JobChanged "Job {job} is changed." "作业 {job} 已修改。";
    AlreadySo "Job {job} was so already." "作业 {job} 已是如此。";
    AlreadyEnded "Job {job} has ended already." "作业 {job} 早已结束。";
    CancelledMany "{n} jobs are being cancelled." "正在取消 {n} 个作业。";
    NoJobs "No such jobs." "没有符合条件的作业。";
    MoreItems "These are {n}; there are more (--limit)." "已显示 {n} 条，还有更多（--limit）。";
    Truncated "There is more than one report may have: narrow the time." "超出单份报告上限，请缩小时间范围。";
    SignedIn "Signed in as {user} ({role}, tenant {tenant}); the token is kept in {path}." "已以 {user} 登录（{role}，租户 {tenant}）；令牌保存在 {path}。";
    SignedOut "Signed out of {url}." "已退出 {url}。";
    NotRevoked "The server did not revoke the token: {why}" "服务器未能吊销令牌：{why}";
    TokenShownOnce "Token {id}, good until {expires}. It is shown this once." "令牌 {id}，有效期至 {expires}。仅显示这一次。";
    TokenRevoked "Token {id} is revoked." "令牌 {id} 已吊销。";
    ClusterRegistered "Cluster {cluster} is registered; looking at it." "集群 {cluster} 已登记，正在检查。";
    ClusterIs "Cluster {cluster} is {service}." "集群 {cluster} 现为 {service}。";
    CheckPassed "Nothing is in the way of using {cluster}; try it with `hw cluster trial {cluster}`." "集群 {cluster} 可以使用；可用 `hw cluster trial {cluster}` 试运行。";
    CheckFailed "Mend what fails, then look again with `hw cluster check {cluster}`." "请先解决以上失败项，再用 `hw cluster check {cluster}` 检查。";
    TrialBegun "Real jobs run on {cluster}; this takes about two minutes." "正在 {cluster} 上运行真实作业，约需两分钟。";
    TrialPassed "The trial of {cluster} passed; put it into service with `hw cluster service {cluster}`." "集群 {cluster} 试运行通过；可用 `hw cluster service {cluster}` 投入服务。";
    TrialFailed "The trial of {cluster} failed: it stays out of service. Try again with `hw cluster trial {cluster}`." "集群 {cluster} 试运行未通过，暂不投入服务；可用 `hw cluster trial {cluster}` 重试。";
    NodeIs "Node {node} is {state}." "节点 {node} 现为 {state}。";
    RunAtSite "Run this at {site} before {expires}; the token is shown this once." "请在 {expires} 之前在站点 {site} 运行以上命令；令牌仅显示这一次。";
    SiteRevoked "The key of {site} is taken back." "站点 {site} 的密钥已收回。";
    TenantCreated "Tenant {name} is made: {id}" "租户 {name} 已创建：{id}";
    TenantChanged "Tenant {name} is changed." "租户 {name} 已修改。";
    ProjectCreated "Project {name} is made: {id}" "项目 {name} 已创建：{id}";
    UserCreated "User {name} is made: {id}" "用户 {name} 已创建：{id}";
    UserChanged "User {name} is changed." "用户 {name} 已修改。";
    PasswordShownOnce "It is shown this once; change it with `hw users password`." "仅显示这一次；请用 `hw users password` 修改。";
    PasswordOfDisabled "User {name} is disabled: an operator must enable it first (`hw users enable {name}`)." "用户 {name} 已停用：须先由运营方启用（`hw users enable {name}`）。";
    UserDisabled "User {name} is disabled." "用户 {name} 已停用。";
    UserEnabled "User {name} may sign in again." "用户 {name} 已启用。";
    PasswordSet "The password of {name} is set." "{name} 的密码已设置。";
    PasswordChanged "Your password is changed." "密码已修改。";
    ToppedUp "The balance is now {balance} {currency}." "当前余额 {balance} {currency}。";
    PolicySet "Policy version {n} is in force." "策略第 {n} 版已生效。";
    PolicyStands "Nothing changes: version {n} already says so." "没有变更：第 {n} 版已是如此。";
    PolicyWould "{n} values would change; nothing was changed." "将变更 {n} 项；尚未生效。";
    PricesPublished "Prices {name} in {currency} are published." "{currency} 价目 {name} 已发布。";
    FilesPut "{n} files ({size}) are in the file space; {sent} had to be sent." "{n} 个文件（{size}）已在文件空间；实际传输 {sent}。";
    FilesGot "{n} files ({size}) are here." "{n} 个文件（{size}）已取回。";
    FilesRemoved "{n} files are removed." "已删除 {n} 个文件。";
    LinkLeftOut "{path}: a link, left out" "{path}：符号链接，已跳过";
    ReallyRemove "Remove {path} and everything below it?" "确定删除 {path} 及其下全部内容吗？";
    ReadingStdin "Reading the script from standard input; end it with Ctrl-D." "正在从标准输入读取脚本，以 Ctrl-D 结束。";
    LinePassedOver "{path}: {why}; passed over" "{path}：{why}；已跳过";
    LinesPassedOver "{path}: {n} lines were passed over in all" "{path}：共跳过 {n} 行";
    JobsLeftOut "Left out: {unknown} jobs without processors, submission or run time, {large} larger than the machine." "未计入：{unknown} 个作业缺少处理器数、提交时间或运行时间，{large} 个作业超出机器规模。";
    JobsWide "Left out: {unknown} jobs without processors, submission or run time, {large} wider than any pool." "未计入：{unknown} 个作业缺少处理器数、提交时间或运行时间，{large} 个作业超出所有资源池。";
    AuditorSays "The auditor finds: {text}" "审计发现：{text}";
    PairsMethod "Means over the pairs, the same history under both; the interval is Student's t over the {n} differences." "均值取自各对（同一历史在两种策略下）；区间为 {n} 个差值的 Student t 95% 置信区间。";
    PlaysBrokenOff "Broken off: only what had come to its end counts." "已中断：仅计入已完成的部分。";
    BrokenOff "Broken off: the figures are of the jobs that had started; {n} of {jobs} had not." "已中断：结果仅含已开始的作业；{jobs} 个作业中有 {n} 个尚未开始。";
    Warning "warning" "警告";
    LineNumber "line {n}" "第 {n} 行";
    MoneyMissing "missing: {amount}" "尚缺：{amount}";

    // Advice behind a fault.
    AdviceSignIn "Sign in with `hw login`, or set HW_TOKEN." "请用 `hw login` 登录，或设置 HW_TOKEN。";
    AdviceReach "Is the server up, and is HW_URL (or --url) its address? `hw up` starts one here." "服务器是否已启动？HW_URL（或 --url）是否正确？可用 `hw up` 在本机启动。";
    AdviceWait "Try again later." "请稍后再试。";
    AdviceTell "Please tell the operator, with the request's id {id}." "请联系运营方，并告知请求编号 {id}。";

    // Faults found here.
    NeedsYes "this needs a yes: give --yes where nobody can be asked" "此操作需要确认：无法交互时请加 --yes";
    NothingDone "nothing is done" "未执行任何操作";
    NeedsPasswordStdin "nobody can be asked for a password here: use --password-stdin" "无法交互输入密码：请使用 --password-stdin";
    PasswordsDiffer "the two passwords differ" "两次输入的密码不一致";
    NoHome "neither HOME nor XDG_CONFIG_HOME says where to keep the token" "HOME 与 XDG_CONFIG_HOME 均未设置，无处保存令牌";
    NotSignedIn "no token is kept for {url}" "没有保存 {url} 的令牌";
    NotText "{path} is not UTF-8 text" "{path} 不是 UTF-8 文本";
    NameNotText "{path}: the name is not UTF-8" "{path}：文件名不是 UTF-8";
    NotPlainFile "{path}: neither a file nor a folder" "{path}：既非文件也非目录";
    IsFolder "{path} is a folder" "{path} 是目录";
    FileChanged "{path} changed while it was read; try again" "{path} 在读取过程中发生变化，请重试";
    ArrivedDamaged "{path}: what arrived is not what was announced; nothing was kept" "{path}：收到的内容与校验和不符，未保留";
    BadRemote "`{path}` is not a path of the file space" "`{path}` 不是文件空间的路径";
    NoJobThere "`{path}` is in a job's work folder, where nothing can be changed" "`{path}` 位于作业工作目录，不可修改";
    BadFile "{path}: {why}" "{path}：{why}";
    CancelWhat "say which jobs: numbers, or filters such as --user" "请指定作业编号，或 --user 等筛选条件";
    CancelNamesOrFilters "give numbers or filters, not both" "作业编号与筛选条件只能二选一";
    NoSuchUser "there is no user `{name}`" "没有名为 `{name}` 的用户";
    ClusterNeeds "say {flag}, or give a file that does" "请指定 {flag}，或在文件中给出";
    ReportLost "the report on {cluster} was not finished: was the server restarted? Try again" "集群 {cluster} 的报告未完成：服务器是否重启过？请重试";
    NoSuchPool "there is no pool `{pool}`" "没有名为 `{pool}` 的资源池";
    NoSuchState "`{state}` is not a state" "`{state}` 不是有效的状态";
    NoSuchKey "there is no setting `{key}`; `hw config` lists them" "没有配置项 `{key}`；可用 `hw config` 查看全部";
    NoSuchTopic "there is no help about `{topic}`" "没有关于 `{topic}` 的帮助";
    SignalUnsupported "signal `{signal}` cannot be sent: only TERM and KILL, which end the job, are supported" "无法发送信号 `{signal}`：仅支持用于结束作业的 TERM 和 KILL";
    SiteFailed "the agent cannot begin: {why}" "站点代理无法启动：{why}";
    TraceRefused "{path}: {why}; --bad-lines skip passes such lines over" "{path}：{why}；可用 --bad-lines skip 跳过此类行";
    ListRefused "{path}: {why}" "{path}：{why}";
    ReportName "{path}: a report is a page, .html, or data, .json" "{path}：报告须为页面（.html）或数据（.json）";
    OneTrace "one trace without --supply" "不带 --supply 时只能给出一个作业记录";
    NamedTraces "with --supply a trace is written NAME=FILE, each name once: `{trace}`" "带 --supply 时作业记录写作 名称=文件，名称不得重复：`{trace}`";
    NoSuchPolicy "there is no policy `{name}`: {names}; a policy file goes with --supply" "没有策略 `{name}`：{names}；策略文件需与 --supply 一起使用";
    TraceWithoutProcs "{path} does not say how many processors there are: give --procs" "{path} 未说明处理器数：请用 --procs 指定";
    WrapOrScript "give --wrap or a script, not both" "--wrap 与脚本只能二选一";

    // Exit codes.
    ExitOk "done" "成功";
    ExitFailure "failed: a file, a declined question, a defect" "失败：文件错误、未确认或程序缺陷";
    ExitUsage "the request is wrong: options, a script with faults" "请求有误：选项或脚本错误";
    ExitNotFound "there is no such thing" "对象不存在";
    ExitAccess "not signed in, or not allowed" "未登录或无权限";
    ExitConflict "its present state does not allow it" "当前状态不允许";
    ExitMoney "money is missing" "余额不足";
    ExitUnreachable "the server does not answer" "服务器无响应";
    ExitWait "the server asks to come back later" "服务器繁忙，请稍后重试";
    ExitOfJob "`hw submit --wait` and `sbatch --wait` end with the job's own exit code, 128 and the signal's number if a signal ended it, 130 if interrupted." "`hw submit --wait` 与 `sbatch --wait` 以作业自身的退出码结束；若作业被信号终止则为 128 加信号编号；被中断时为 130。";
}
