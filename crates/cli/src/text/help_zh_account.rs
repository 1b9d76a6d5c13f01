//! Chinese help of what concerns one's own notices and the members of projects: more of the table beside it.

/// By the words of a command.
pub const ABOUT: &[(&str, &str)] = &[
    ("notices", "邮件与 Webhook 通知：查看、邮箱、确认、内容、关闭、添加、删除、测试"),
    ("notices show", "邮件通知与各 Webhook 的状态（默认）"),
    ("notices mail", "向邮箱发送确认码"),
    ("notices confirm", "用收到的确认码确认邮箱"),
    ("notices about", "邮件通知的内容；不写则不发"),
    ("notices off", "不再发送邮件"),
    ("notices hook", "添加 Webhook 地址；密钥仅显示这一次"),
    ("notices unhook", "删除 Webhook 地址"),
    ("notices test", "试调用一次 Webhook"),
    ("projects members", "项目成员与角色：列出、设置、移除"),
    ("projects members list", "项目成员；无成员的项目对租户内所有人开放"),
    ("projects members set", "设置用户在项目中的角色；有成员后，无角色者不能向其提交作业"),
    ("projects members remove", "移除用户在项目中的角色；最后一个移除后项目重新开放"),
];

/// By the words of a command and the name of the argument.
pub const ARGUMENTS: &[(&str, &str, &str)] = &[
    ("notices mail", "address", "邮箱地址：anna@example.org"),
    ("notices confirm", "code", "确认码"),
    ("notices about", "kinds", "started 开始、completed 完成、failed 异常结束、delayed 延误、money 费用"),
    ("notices hook", "calls", "https:// 地址"),
    ("notices hook", "kinds", "内容：started、completed、failed、delayed、money；缺省为作业结束与费用"),
    ("notices unhook", "id", "编号：whk_…"),
    ("notices test", "id", "编号：whk_…"),
    ("projects members list", "project", "项目名称或 ID"),
    ("projects members list", "tenant", "项目所属租户；缺省为本租户"),
    ("projects members set", "project", "项目名称或 ID"),
    ("projects members set", "user", "用户名称或 ID"),
    ("projects members set", "role", "角色：owner 负责人、member 成员、viewer 只读"),
    ("projects members set", "tenant", "项目所属租户；缺省为本租户"),
    ("projects members remove", "project", "项目名称或 ID"),
    ("projects members remove", "user", "用户名称或 ID"),
    ("projects members remove", "tenant", "项目所属租户；缺省为本租户"),
];
