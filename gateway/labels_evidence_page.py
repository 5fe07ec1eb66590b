"""The words of the page in an evidence pack, which a court reads. In: nothing. Out: `PAGE`, key to (vi, en)."""

from __future__ import annotations

_PAGE: dict[str, tuple[str, str]] = {
    "evidence.page.title": ("Hồ sơ chứng cứ điện tử", "Evidence pack"),
    "evidence.page.made": (
        "Do {agency} lập lúc {time}, tại nút {node}, phần mềm phiên bản {software}. Mã hồ sơ: {pack}.",
        "Made by {agency} at {time}, at the node {node}, with software version {software}. Pack: {pack}.",
    ),
    "evidence.page.what": ("Hồ sơ này là gì", "What this is"),
    "evidence.page.what.text": (
        "Hồ sơ này gom lại những gì một nút của hệ thống trao đổi văn bản điện tử lưu giữ để chứng "
        "minh việc gửi, nhận một văn bản: các gói tin đã ký số, nguyên từng byte như khi gửi đi hoặc "
        "nhận về; chứng thư số và tình trạng thu hồi; nhật ký đã niêm phong và dấu thời gian. Có thể "
        "kiểm tra toàn bộ mà không cần mạng, không cần nút đã lập hồ sơ.",
        "This pack gathers what one node of the exchange of official documents keeps to prove that a "
        "document was sent and received: the signed packets, byte for byte as they went or came; "
        "certificates and what was known of their revocation; the sealed log and its timestamps. All "
        "of it can be checked without a network and without the node that made it.",
    ),
    "evidence.page.what.not": (
        "Trang này chỉ là lời thuật của nút lập hồ sơ, viết để người đọc dễ theo dõi. Bản thân trang "
        "này không chứng minh điều gì: chứng cứ là các tệp đi kèm và kết quả kiểm tra chúng theo mục "
        "cuối trang.",
        "This page is only the account of the node that made the pack, written to be read. By itself "
        "it proves nothing: the evidence is the files beside it, and what checking them as the last "
        "section says will show.",
    ),
    "evidence.page.document": ("Văn bản", "The document"),
    "evidence.page.code": ("Số, ký hiệu", "Number and symbol"),
    "evidence.page.issued": ("Ngày ban hành", "Issued on"),
    "evidence.page.type": ("Loại văn bản", "Type"),
    "evidence.page.subject": ("Trích yếu", "Subject"),
    "evidence.page.document_id": ("Mã định danh văn bản", "Document id"),
    "evidence.page.state": ("Trạng thái tại nút lập hồ sơ", "State at the node that made the pack"),
    "evidence.page.files": ("Tệp trong văn bản", "Files of the document"),
    "evidence.page.recipients": ("Nơi nhận", "Recipients"),
    "evidence.page.absent.recalled": (
        "Văn bản này đã được thu hồi. Theo quy định, nội dung không còn được đọc và không nằm trong "
        "hồ sơ; ở đây chỉ có phần đầu văn bản và giá trị băm của gói tin.",
        "This document was recalled. As the rules demand, its content may no longer be read and is "
        "not in this pack; only its header and the digest of its packet are here.",
    ),
    "evidence.page.absent.sealed": (
        "Nội dung văn bản này đang bị niêm phong và không bao giờ đi vào hồ sơ; ở đây chỉ có giá trị "
        "băm của gói tin.",
        "The content of this document is in the sealed hold and never enters a pack; only the digest "
        "of its packet is here.",
    ),
    "evidence.page.absent.purged": (
        "Nút đã xóa nội dung gói tin theo quy định; ở đây chỉ có giá trị băm của gói tin.",
        "The node has removed the content of this packet as the rules demand; only its digest is here.",
    ),
    "evidence.page.story": ("Ai gửi gì cho ai, khi nào", "Who sent what to whom, and when"),
    "evidence.page.story.text": (
        "Giờ là giờ Việt Nam (+07:00), theo đồng hồ của nút lập hồ sơ: lúc đóng gói nếu gửi đi, lúc "
        "đến nếu nhận về. Đồng hồ của một nút không phải là thời gian tin cậy; thời gian tin cậy, nếu "
        "có, ghi ở cột cuối.",
        "Times are those of Viet Nam (+07:00), by the clock of the node that made the pack: when a "
        "packet was packed here, or when it came here. A node's clock is no trusted time; trusted "
        "time, where there is any, stands in the last column.",
    ),
    "evidence.page.time": ("Thời điểm (đồng hồ của nút)", "Time (the node's clock)"),
    "evidence.page.packet": ("Gói tin", "Packet"),
    "evidence.page.from": ("Bên ký", "Signed by"),
    "evidence.page.to": ("Gửi cho", "To"),
    "evidence.page.file": ("Tệp trong hồ sơ, SHA-256", "File in the pack, SHA-256"),
    "evidence.page.trusted": ("Có trước thời điểm tin cậy", "Existed before this trusted time"),
    "evidence.page.untrusted": ("chưa có dấu thời gian tin cậy", "no trusted timestamp"),
    "evidence.page.not_logged": ("không có trong nhật ký đã niêm phong", "not in the sealed log"),
    "evidence.page.answers": ("trả lời gói tin {packet}", "answers packet {packet}"),
    "evidence.page.part.document": ("Văn bản", "The document"),
    "evidence.page.part.change": ("Gói tin thay đổi", "Change"),
    "evidence.page.part.request": ("Yêu cầu", "Request"),
    "evidence.page.part.receipt": ("Biên nhận", "Receipt"),
    "evidence.page.direction.out": ("gửi đi", "sent"),
    "evidence.page.direction.in": ("nhận về", "received"),
    "evidence.page.proves": (
        "Mỗi chứng cứ chứng minh điều gì, và không chứng minh điều gì",
        "What each proof proves, and what it does not",
    ),
    "evidence.page.proof": ("Chứng cứ", "Proof"),
    "evidence.page.proves.yes": ("Chứng minh", "Proves"),
    "evidence.page.proves.no": ("Không chứng minh", "Does not prove"),
    "evidence.page.when": ("Cho thời điểm nào", "For what time"),
    "evidence.page.log": ("Nhật ký đã niêm phong", "The sealed log"),
    "evidence.page.log.text": (
        "Mỗi việc xảy ra tại nút là một dòng nhật ký. Các dòng được nối vào một cây băm; mỗi lần niêm "
        "phong, nút ký giá trị gốc của cây, và nếu có cấu hình thì lấy thêm dấu thời gian của một đơn "
        "vị độc lập.",
        "Everything that happens at the node is a line of its log. The lines are joined in a hash "
        "tree; with each seal the node signs the root of the tree and, where that is set up, has an "
        "independent authority stamp it with the time.",
    ),
    "evidence.page.log.none": (
        "Khi lập hồ sơ, các việc về văn bản này chưa được niêm phong: hồ sơ không chứng minh được "
        "thời điểm nào bằng nhật ký.",
        "When the pack was made, nothing about this document had been sealed: the pack proves no time "
        "by the log.",
    ),
    "evidence.page.seal": ("Niêm phong số", "Seal number"),
    "evidence.page.seal.size": ("Số dòng nhật ký", "Lines of the log"),
    "evidence.page.seal.at": ("Ký lúc (đồng hồ của nút)", "Signed at (the node's clock)"),
    "evidence.page.seal.stamp": ("Dấu thời gian", "Timestamp"),
    "evidence.page.seal.published": ("Đã công bố ra ngoài nút", "Published outside the node"),
    "evidence.page.yes": ("có", "yes"),
    "evidence.page.no": ("không", "no"),
    "evidence.page.event": ("Việc", "Event"),
    "evidence.page.leaf": ("Dòng nhật ký số", "Line of the log"),
    "evidence.page.verdicts": ("Kết quả kiểm tra mà nút đã ghi", "What the node found when it checked"),
    "evidence.page.verdicts.text": (
        "Kết quả nút ghi khi gói tin đến, và kết quả nút kiểm tra lại khi lập hồ sơ. Người đọc không "
        "cần tin các kết quả này: hãy kiểm tra lại như mục cuối trang.",
        "What the node noted when a packet came, and what it found anew when it made the pack. Nobody "
        "need believe this: check it again as the last section says.",
    ),
    "evidence.page.verdict.valid": ("hợp lệ", "valid"),
    "evidence.page.verdict.invalid": ("không hợp lệ", "not valid"),
    "evidence.page.verdict.unknown": ("chưa xác định được", "cannot be told"),
    "evidence.page.noted": (
        "nút đã ghi khi gói tin đến, lúc {time}: {word}",
        "noted when it came, at {time}: {word}",
    ),
    "evidence.page.judged": (
        "xét lại khi lập hồ sơ, cho thời điểm {time}: {word}",
        "judged anew for the pack, as of {time}: {word}",
    ),
    "evidence.page.step": ("Bước", "Step"),
    "evidence.page.outcome": ("Kết quả", "Outcome"),
    "evidence.page.detail": ("Chi tiết", "Detail"),
    "evidence.page.policy": ("Chính sách khi lập hồ sơ", "The policy when the pack was made"),
    "evidence.page.check": ("Cách kiểm tra", "How to check it"),
    "evidence.page.check.text": (
        "Cần phần mềm gateway (mã nguồn mở), tệp hồ sơ này, và những thứ dưới đây lấy từ nguồn khác, "
        "không lấy từ hồ sơ: một hồ sơ mang theo gốc tin cậy của chính nó thì không chứng minh được "
        "gì.",
        "Needed are the gateway software (its source is open), this file, and the following from "
        "another source, never from the pack itself: a pack that brings its own root of trust proves "
        "nothing.",
    ),
    "evidence.page.check.ca": (
        "chứng thư số gốc của tổ chức chứng thực (ca.pem) và bảng chứng thư số của từng cơ quan "
        "(bindings.csv);",
        "the root certificates of the certification authority (ca.pem), and the table of each "
        "agency's certificates (bindings.csv);",
    ),
    "evidence.page.check.nodes": (
        "khóa công khai của nút lập hồ sơ và của nhật ký (nodes/*.pem);",
        "the public keys of the node that made the pack and of its log (nodes/*.pem);",
    ),
    "evidence.page.check.tsa": (
        "chứng thư số gốc của đơn vị cấp dấu thời gian (tsa/*.pem);",
        "the root certificates of the timestamp authority (tsa/*.pem);",
    ),
    "evidence.page.check.seal": (
        "một niêm phong đã công bố ra ngoài nút, nếu có.",
        "a seal that was published outside the node, if there is one.",
    ),
    "evidence.page.check.run": (
        "Đặt các tệp trên vào một thư mục rồi chạy lệnh dưới đây. Lệnh nêu từng bước: đạt, không đạt, "
        "hoặc chưa xác định được, và in dấu vân tay của các gốc tin cậy đã dùng.",
        "Put these files into a folder and run the command below. It tells each step: holds, does not "
        "hold, or cannot be told, and prints the fingerprints of the roots of trust that it used.",
    ),
    "evidence.page.members": ("Các tệp khác trong hồ sơ", "The other files of the pack"),
}

_PROOFS: dict[str, tuple[str, str]] = {
    "evidence.proof.signature": ("Chữ ký số trên gói tin", "The signature on a packet"),
    "evidence.proof.signature.yes": (
        "Người giữ khóa bí mật ứng với chứng thư số của cơ quan đã ký đúng những byte này; sau đó "
        "không byte nào bị đổi.",
        "Whoever holds the private key of the agency's certificate signed exactly these bytes; none "
        "was changed since.",
    ),
    "evidence.proof.signature.no": (
        "Không chứng minh người nào đã bấm nút gửi, không chứng minh gói tin đã đến nơi, không chứng "
        "minh giờ ký ghi trong gói tin là đúng.",
        "Not which person pressed send, not that the packet arrived, not that the signing time "
        "written in it is true.",
    ),
    "evidence.proof.signature.when": (
        "Thời điểm dấu thời gian tin cậy phủ gói tin. Không có dấu thời gian thì chỉ cho lúc kiểm "
        "tra, khi chứng thư số còn hiệu lực.",
        "The trusted time that covers the packet. Without one, only for the time of checking, while "
        "the certificate is valid.",
    ),
    "evidence.proof.receipt": ("Biên nhận (trạng thái 01, 03…)", "A receipt (status 01, 03…)"),
    "evidence.proof.receipt.yes": (
        "Người giữ khóa của cơ quan nhận đã tuyên bố, tại một thời điểm, rằng đang giữ đúng những "
        "byte của gói tin được trả lời (01: đã lưu và đã kiểm tra; 03: văn thư đã tiếp nhận). Gói tin "
        "được trả lời nêu bằng mã và giá trị băm.",
        "Whoever holds the receiving agency's key stated at a time that it held exactly the bytes of "
        "the packet that is answered (01: stored and verified; 03: a clerk registered it). That "
        "packet is named by its id and digests.",
    ),
    "evidence.proof.receipt.no": (
        "Không chứng minh có người đã đọc. Cam kết “proof of receipt” theo chuẩn ETSI chỉ nói về "
        "chính bản trạng thái; việc gắn với gói tin được trả lời là do phần gw:Receipt trong các "
        "thuộc tính đã ký, phần này do phần mềm này định nghĩa và được chữ ký bao trùm.",
        "Not that anybody read it. ETSI's commitment “proof of receipt” speaks of the status itself; "
        "what ties it to the packet answered is gw:Receipt in the signed properties, which this "
        "software defines and the signature covers.",
    ),
    "evidence.proof.receipt.when": (
        "Như chữ ký. Biên nhận chỉ sống lâu hơn khóa đã ký nó khi có thời gian tin cậy: thiếu dấu "
        "thời gian mà khóa đã hết hạn hoặc bị thu hồi thì chưa xác định được.",
        "As a signature. A receipt outlives the key that signed it only with a trusted time: without "
        "one, once the key has expired or was revoked, it cannot be told.",
    ),
    "evidence.proof.log": ("Dòng nhật ký và niêm phong", "Lines of the log, and seals"),
    "evidence.proof.log.yes": (
        "Nút đã ghi việc này trước khi niêm phong, và từ đó đến niêm phong mới nhất không dòng nào bị "
        "sửa, xóa, đổi chỗ.",
        "The node had noted this before the seal, and from then to the newest seal no line was "
        "changed, removed or moved.",
    ),
    "evidence.proof.log.no": (
        "Không chứng minh điều nút ghi là đúng. Nút vẫn sửa được phần nhật ký chưa công bố: chỉ niêm "
        "phong đã công bố hoặc dấu thời gian mới ràng buộc được nút.",
        "Not that what the node noted is true. A node can still rewrite what it has not published: "
        "only a published seal or a timestamp binds it.",
    ),
    "evidence.proof.log.when": (
        "Trước dấu thời gian của niêm phong; không có thì trước ngày niêm phong được công bố.",
        "Before the seal's timestamp; without one, before the seal was published.",
    ),
    "evidence.proof.stamp": ("Dấu thời gian (RFC 3161)", "A timestamp (RFC 3161)"),
    "evidence.proof.stamp.yes": (
        "Đơn vị cấp dấu thời gian đã thấy niêm phong đó muộn nhất vào thời điểm ghi trong dấu.",
        "The timestamp authority saw this seal at the latest at the time in the stamp.",
    ),
    "evidence.proof.stamp.no": (
        "Không chứng minh việc xảy ra đúng lúc đó, chỉ chứng minh không muộn hơn.",
        "Not that anything happened just then, only that it happened no later.",
    ),
    "evidence.proof.stamp.when": ("Thời điểm trong dấu.", "The time in the stamp."),
    "evidence.proof.revocation": (
        "Trả lời OCSP, danh sách thu hồi",
        "OCSP answers and revocation lists",
    ),
    "evidence.proof.revocation.yes": (
        "Tổ chức chứng thực đã công bố tình trạng của chứng thư số cho khoảng thời gian ghi trong đó.",
        "The certification authority published the standing of the certificate for the span of time "
        "written there.",
    ),
    "evidence.proof.revocation.no": (
        "Không chứng minh chứng thư số không bị thu hồi sau khoảng thời gian đó.",
        "Not that the certificate was not revoked after that span.",
    ),
    "evidence.proof.revocation.when": ("Khoảng thời gian ghi trong đó.", "The span written there."),
    "evidence.proof.manifest": ("Danh sách tệp có chữ ký", "The signed list of files"),
    "evidence.proof.manifest.yes": (
        "Nút lập hồ sơ chịu trách nhiệm về việc gom các tệp này; từ đó không byte nào của hồ sơ bị đổi.",
        "The node that made the pack answers for having put these files together; no byte of it was "
        "changed since.",
    ),
    "evidence.proof.manifest.no": (
        "Không chứng minh nút đã gom đủ: có thể còn gói tin khác không nằm trong hồ sơ.",
        "Not that the node put in everything: there may be packets that are not in the pack.",
    ),
    "evidence.proof.manifest.when": ("Lúc lập hồ sơ.", "When the pack was made."),
}

PAGE: dict[str, tuple[str, str]] = {**_PAGE, **_PROOFS}
