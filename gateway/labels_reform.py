"""What is said about changes of the organisation: what will be, what stands against it, how a code ended. In: nothing. Out:
`REFORM`, key to (vi, en)."""

from __future__ import annotations

REFORM: dict[str, tuple[str, str]] = {
    # kinds
    "reform.kind.rename": ("Đổi tên", "Rename"),
    "reform.kind.recode": ("Đổi mã", "Recode"),
    "reform.kind.merge": ("Sáp nhập", "Merge"),
    "reform.kind.consolidate": ("Hợp nhất", "Consolidate"),
    "reform.kind.split": ("Chia tách", "Split"),
    "reform.kind.dissolve": ("Giải thể", "Dissolve"),
    "reform.kind.move": ("Thay đổi cơ quan chủ quản", "Move"),
    "reform.kind.create": ("Thành lập", "Create"),
    "reform.kind.reorganise": ("Sắp xếp nhiều bước", "Reorganise in steps"),
    "reform.state.approved": ("đã phê duyệt", "approved"),
    "reform.state.undone": ("đã hoàn tác", "undone"),
    "reform.state.upcoming": ("sắp hiệu lực", "upcoming"),
    "reform.state.in_force": ("đang hiệu lực", "in force"),
    "reform.urgency.open": ("còn hạn", "open"),
    "reform.urgency.soon": ("sắp đến hạn", "due soon"),
    "reform.urgency.late": ("quá hạn", "late"),
    # what will be
    "reform.totals": (
        "tổng cộng {steps} bước, hiệu lực {on}: {ended} cơ quan kết thúc, {begun} mã mới, {changed} cơ quan đổi tên hoặc"
        " cơ quan chủ quản; {hosted} cơ quan của nút này, {queued} văn bản đang chờ gửi, {certificates} chứng thư số"
        " của cơ quan kết thúc",
        "{steps} {steps:step|steps} in all, from {on}: {ended} agencies end, {begun} codes begin, {changed} change their"
        " name or parent; of what ends {hosted} are this node's, {queued} documents wait to leave, {certificates}"
        " certificates are bound",
    ),
    "reform.renamed": (
        "Từ ngày {on}, {code} đổi tên từ “{old}” thành “{new}”; trước ngày đó vẫn là tên cũ.",
        "From {on}, {code} is called “{new}” instead of “{old}”; before that day the old name stays.",
    ),
    "reform.moved": (
        "Từ ngày {on}, {code} ({name}) chuyển từ cơ quan chủ quản {old} sang {new}.",
        "From {on}, {code} ({name}) stands under {new} instead of {old}.",
    ),
    "reform.became_recode": (
        "Từ ngày {on}, {codes} mang mã mới {heirs}.",
        "From {on}, {codes} has the new code {heirs}.",
    ),
    "reform.became_merge": (
        "Từ ngày {on}, {codes} sáp nhập vào {heirs}.",
        "From {on}, {codes} is merged into {heirs}.",
    ),
    "reform.became_consolidate": (
        "Từ ngày {on}, {codes} hợp nhất thành {heirs}.",
        "From {on}, {codes} are consolidated into {heirs}.",
    ),
    "reform.became_split": (
        "Từ ngày {on}, {codes} chia tách thành {heirs}.",
        "From {on}, {codes} is split into {heirs}.",
    ),
    "reform.became_dissolve": (
        "Từ ngày {on}, {codes} giải thể; nhiệm vụ chuyển cho {heirs}.",
        "From {on}, {codes} is dissolved; {heirs} takes over.",
    ),
    "reform.separated": (
        "Từ ngày {on}, {heirs} tách ra từ {code}; {code} tiếp tục hoạt động.",
        "From {on}, {heirs} is separated from {code}; {code} goes on.",
    ),
    "reform.dissolved": (
        "Từ ngày {on}, {codes} giải thể; không có cơ quan kế nhiệm.",
        "From {on}, {codes} is dissolved; nobody takes over.",
    ),
    "reform.begun": (
        "{code} ({name}) thành lập từ ngày {on}, cơ quan chủ quản: {parent}.",
        "{code} ({name}) begins on {on}, under {parent}.",
    ),
    "reform.closed": (
        "Mã {code} hết hiệu lực sau ngày {day}, giữ trong lịch sử và không cấp cho cơ quan khác.",
        "The code {code} has its last day on {day}; it stays in the history and is never given to another body.",
    ),
    "reform.mail_to": (
        "Văn bản gửi tới mã {code} từ ngày {on} được {heir} tiếp nhận, đánh dấu “Mã cũ”; bên gửi được báo mã mới.",
        "Mail to {code} from {on} is taken by {heir}, marked “Old code”; its sender is told the new code.",
    ),
    "reform.mail_triage": (
        "Văn bản gửi tới mã {code} từ ngày {on} chờ văn thư chọn nơi nhận trong: {heirs}.",
        "Mail to {code} from {on} waits for a clerk, who chooses among: {heirs}.",
    ),
    "reform.mail_nobody": (
        "Từ ngày {on} không còn cơ quan nhận văn bản gửi tới mã {code}: bên gửi bị từ chối, văn bản còn đến chờ văn thư.",
        "From {on} nobody receives mail to {code}: its senders are refused, and what still comes waits for a clerk.",
    ),
    "reform.queued_redirect": (
        "{count} văn bản đang chờ gửi tới {code} được chuyển tới {heir}, có thông báo.",
        "{count} {count:document|documents} that {count:waits|wait} to leave for {code} {count:goes|go} to {heir}, "
        "with a notice.",
    ),
    "reform.queued_hold": (
        "{count} văn bản đang chờ gửi tới {code} được giữ lại, nêu mã kế nhiệm {heir}.",
        "{count} {count:document|documents} that {count:waits|wait} to leave for {code} {count:is|are} held, with the "
        "successor {heir} named.",
    ),
    "reform.queued_return": (
        "{count} văn bản đang chờ gửi tới {code} được trả lại người gửi, nêu mã kế nhiệm {heir}.",
        "{count} {count:document|documents} that {count:waits|wait} to leave for {code} {count:is|are} returned to "
        "{count:its|their} sender, with the successor {heir} named.",
    ),
    "reform.hosted": (
        "{code} ở trên nút này: {count} văn bản đến đang xử lý ở lại sổ của {code}; tài khoản và khóa API của {code} cần"
        " được chuyển.",
        "{code} is hosted here: {count} open incoming documents stay in its book; its accounts and API keys must be moved.",
    ),
    "reform.certificates": (
        "{count} chứng thư số của {code} hết hiệu lực sau ngày {day}.",
        "{count} certificates of {code} end after {day}.",
    ),
    "reform.certificate_wanted": (
        "{code} cần chứng thư số trao đổi của mình, do hai người xác nhận, mới gửi được văn bản.",
        "{code} needs an exchange certificate of its own, confirmed by two people, before it can send.",
    ),
    "reform.duty": (
        "Phải báo cáo thay đổi này chậm nhất ngày {due}.",
        "This change must be reported by {due}.",
    ),
    # what stands against it
    "reform.moved_ground": (
        "danh mục mã định danh đã khác so với lúc lập phương án",
        "the registry is another one than the change was planned on",
    ),
    "reform.no_decision": (
        "thiếu thông tin văn bản quyết định: {part}",
        "the deciding document lacks its {part}",
    ),
    "reform.shape": (
        "số cơ quan nguồn hoặc đích không đúng với loại thay đổi {kind}",
        "a {kind} has not that number of sources or targets",
    ),
    "reform.repeated": ("mã {code} được nêu nhiều lần", "{code} is named more than once"),
    "reform.unknown": (
        "không có cơ quan mang mã {code}; hãy nhập danh mục hoặc sửa mã",
        "no agency has the code {code}; import it, or correct the code",
    ),
    "reform.bad_name": (
        "tên của {code} phải đầy đủ, trên một dòng, không quá 200 ký tự",
        "the name of {code} must be full, on one line, 200 characters at most",
    ),
    "reform.bad_code": ("mã {code} không đúng dạng: {why}", "{code} is no agency code: {why}"),
    "reform.old_form": (
        "mã mới {code} phải theo dạng của Quyết định 20/2020",
        "the new code {code} must have the form of Decision 20/2020",
    ),
    "reform.taken": (
        "mã {code} đã thuộc về {name}; mã không bao giờ cấp lại",
        "{code} belongs to {name}; a code is never given again",
    ),
    "reform.alias_taken": (
        "mã dạng cũ {alias} của {code} đã dẫn tới {owner}",
        "the old form {alias} of {code} leads to {owner} already",
    ),
    "reform.ends_already": (
        "{code} đã hết hiệu lực sau ngày {day}",
        "{code} has its last day on {day} already",
    ),
    "reform.not_begun": (
        "{code} có hiệu lực từ ngày {day}, không trước ngày {on}",
        "{code} begins on {day}, which is not before {on}",
    ),
    "reform.turned_later": (
        "{code} đã có thay đổi từ ngày {day}; hãy hoàn tác thay đổi đó hoặc chọn ngày sau",
        "{code} has a change of {day} already; undo that one, or take a later day",
    ),
    "reform.same_name": ("{code} đang mang đúng tên đó", "{code} has that name already"),
    "reform.same_parent": (
        "{code} đang thuộc đúng cơ quan chủ quản đó",
        "{code} stands under that agency already",
    ),
    "reform.heir_not_in_force": (
        "cơ quan kế nhiệm {code} không có hiệu lực vào ngày {on}; kế nhiệm của nó: {heir}",
        "the successor {code} is not in force on {on}; its own successor: {heir}",
    ),
    "reform.parent_not_in_force": (
        "cơ quan chủ quản {code} không có hiệu lực vào ngày {on}",
        "the parent {code} is not in force on {on}",
    ),
    "reform.no_parent": ("chưa nêu cơ quan chủ quản mới", "the new parent is missing"),
    "reform.mail_rule": (
        "chia tách phải nêu một trong hai: một nơi nhận văn bản gửi tới mã cũ, hoặc văn thư chọn nơi nhận",
        "a split says one of two: who takes mail to the old code, or that a clerk chooses",
    ),
    "reform.mail_not_heir": (
        "{code} không phải là cơ quan kế nhiệm nên không nhận văn bản gửi tới mã cũ",
        "{code} is no successor, so it does not take mail to the old code",
    ),
    "reform.successor_circle": (
        "chuỗi kế nhiệm từ {heir} quay lại {code}",
        "the successors of {heir} lead back to {code}",
    ),
    "reform.parent_circle": (
        "cơ quan chủ quản của {code} quay lại chính nó",
        "the agencies above {code} lead back to it",
    ),
    # what stands against undoing
    "reform.undone_already": ("thay đổi này đã hoàn tác", "it is undone already"),
    "reform.undo_late": (
        "chỉ hoàn tác được trong {days} ngày sau khi phê duyệt",
        "it can be undone within {days} {days:day|days} of its approval only",
    ),
    "reform.built_reform": (
        "thay đổi {reform} được lập sau trên cùng mã; hãy hoàn tác thay đổi đó trước",
        "the later change {reform} names a code of it; undo that one first",
    ),
    "reform.built_row": (
        "{code} dựa vào mã được thành lập bởi thay đổi này",
        "{code} leans on a code that it began",
    ),
    "reform.built_certificate": (
        "{code} đã có chứng thư số được xác nhận",
        "{code} has a confirmed certificate",
    ),
    "reform.built_document": ("đã có văn bản gửi tới {code}", "documents went to {code}"),
    "reform.built_change": ("{code} đã được sửa sau đó", "{code} was changed since"),
    # what to look at
    "reform.past": (
        "ngày hiệu lực {on} đã qua: văn bản gửi từ ngày đó không đổi",
        "{on} is past: what was sent since then stays as it is",
    ),
    "reform.decided_later": (
        "văn bản quyết định ký sau ngày hiệu lực {on}",
        "the decision is dated after {on}, its effective day",
    ),
    "reform.units_below": (
        "{count} đơn vị vẫn trực thuộc {code}; hãy chuyển chúng hoặc đổi mã trong cùng quyết định",
        "{count} units still stand under {code}; move or recode them in the same decision",
    ),
    "reform.too_many": (
        "một quyết định có từ 1 đến {steps} bước và nhiều nhất {codes} mã",
        "one decision has 1 to {steps} steps, and at most {codes} codes",
    ),
    "reform.bad_step": (
        "bước {n} phải cùng quyết định và cùng ngày hiệu lực, không có bước con, và nêu rõ nơi nhận văn bản",
        "step {n} must have the decision and the day of the whole, no steps of its own, and say who gets the mail",
    ),
    "reform.name_shared": (
        "tên của {code} đọc giống tên của {other} dưới cùng cơ quan chủ quản",
        "the name of {code} reads the same as that of {other} under one parent",
    ),
    "reform.starter": (
        "{code} là dòng của danh mục khởi đầu; từ nay được coi là đã xác nhận",
        "{code} is a row of the starter list; from now on it counts as confirmed",
    ),
    "reform.code_says_otherwise": (
        "mã {code} vẫn mang mã của cơ quan chủ quản khác {parent}; đổi mã là một thay đổi riêng",
        "the code {code} still reads as under another agency than {parent}; a recode is a change of its own",
    ),
    # to the sender, and on documents
    "reform.told_sender": (
        "Mã {code} đã {how} từ {on} theo {decision}. Mã mới: {heir}",
        "The code {code} was {how} on {on} by {decision}. New code: {heir}",
    ),
    "reform.told_closed": (
        "Mã {code} hết hiệu lực sau ngày {day}. Mã mới: {heir}",
        "The code {code} had its last day on {day}. New code: {heir}",
    ),
    "mark.old_code": ("Mã cũ {code}", "Old code {code}"),
    "reform.how.recode": ("được đổi", "recoded"),
    "reform.how.merge": ("sáp nhập", "merged"),
    "reform.how.consolidate": ("hợp nhất", "consolidated"),
    "reform.how.split": ("chia tách", "split"),
    "reform.how.dissolve": ("giải thể", "dissolved"),
    # commands and errors
    "cli.more_details": (
        "Còn {count} dòng chưa hiện; thêm --details để xem tất cả.",
        "{count} more {count:line is|lines are} not shown; add --details to see all of them.",
    ),
    "cli.reform.planned": (
        "Chưa ghi gì. Đề xuất cho người thứ hai: thêm --propose --as TÊN",
        "Nothing is written. To propose it to a second person: add --propose --as NAME",
    ),
    "cli.reform.next": (
        "Người thứ hai phê duyệt trong 72 giờ: gateway registry change approve {id} --as TÊN",
        "A second person approves within 72 hours: gateway registry change approve {id} --as NAME",
    ),
    "cli.reform.in_force": (
        "Thay đổi {id} đã ghi vào danh mục, hiệu lực từ {on}. Hoàn tác được trong 7 ngày.",
        "The change {id} is in the registry, in effect from {on}. It can be undone for 7 days.",
    ),
    "cli.reform.number": (
        "Số văn bản quyết định, đọc từ chính văn bản",
        "Number of the decision, as you read it on the document itself",
    ),
    "cli.ask.reform_propose": ("Đề xuất thay đổi này?", "Propose this change?"),
    "cli.ask.reform_approve": ("Phê duyệt thay đổi {id}?", "Approve the change {id}?"),
    "cli.ask.reform_undo": ("Hoàn tác toàn bộ thay đổi {id}?", "Undo the change {id} as a whole?"),
    "cli.column.reform": ("Thay đổi", "Change"),
    "cli.column.effective": ("Hiệu lực từ", "Effective"),
    "cli.column.codes": ("Mã", "Codes"),
    "cli.column.decision": ("Quyết định", "Decision"),
    "cli.column.report_due": ("Báo cáo trước", "Report by"),
    "cli.column.heir": ("Mã mới", "New code"),
    "clash.REG-CONFLICT": (
        "Không thể thay đổi tổ chức như vậy.",
        "The organisation cannot be changed so.",
    ),
    "clash.REG-MOVED": (
        "Danh mục đã thay đổi từ khi lập phương án. Hãy lập và đề xuất lại.",
        "The registry changed since this was planned. Plan and propose it again.",
    ),
    "clash.REG-BUILT-ON": (
        "Không thể hoàn tác thay đổi này.",
        "This change cannot be undone.",
    ),
}
