#!/usr/bin/env python3
"""Checks catalogue/explain/<language>.tsv: every refusal of catalogue/replies.tsv and every class
of bounces has its title, cause and remedy in every language, in that language, and says what its
reply code promises (try again, or not). words.tsv has each word in each language, and all keep to
glossary.tsv. Then it spoils the texts, one kind of defect at a time, and fails if a defect goes
unseen.

    explain_texts_test.py SOURCE_ROOT

The classes come from catalogue/bounces/classes.tsv, else from ../shared/catalogue/taxonomy.tsv
(POSTERN_SHARED names another place for ../shared); without either, their ids are not compared."""
import copy
import os
import re
import sys
import unicodedata

LANGUAGES = ("en", "zh-CN", "zh-TW", "sv")
FIELDS = ("title", "cause", "remedy")
HEADER = ["kind", "id", *FIELDS]
CLASSES_N = 44

# Shortest and longest field, in characters.
LENGTHS = {
    "en": {"title": (8, 70), "cause": (60, 420), "remedy": (50, 420)},
    "sv": {"title": (8, 75), "cause": (60, 470), "remedy": (50, 470)},
    "zh-CN": {"title": (4, 32), "cause": (20, 170), "remedy": (18, 170)},
    "zh-TW": {"title": (4, 32), "cause": (20, 170), "remedy": (18, 170)},
}

# A remedy says who acts ...
ACTORS = {
    "en": r"sender|recipient|administrator|postmaster|user\b|owner|client|service|sending server"
          r"|nobody",
    "sv": r"avsändar|mottagar|administratör|postmästar|användar|ägar|innehavar|klient|tjänst"
          r"|administrerar|sändande|ingen\b",
    "zh-CN": r"发件人|发件方|收件人|管理员|用户|所有者|持有者|客户端|服务|无需任何人",
    "zh-TW": r"寄件者|寄件方|收件者|管理員|管理者|使用者|擁有者|持有人|用戶端|服務|不需要任何人",
}
# ... one of a temporary reply that it is, or is to be, tried again; one of a permanent reply that
# doing the same again is of no use.
AGAIN = {
    "en": r"\bagain\b|\bretr(y|ies)\b",
    "sv": r"\bigen\b|på nytt|nytt försök|nya försök|försöker om",
    "zh-CN": r"重试|再试|再次|重新|重发|再发|再投递",
    "zh-TW": r"重試|再試|再次|重新|重寄|再寄|再投遞",
}
NO_USE = {
    "en": r"will not help|refused again",
    "sv": r"hjälper (det )?inte|avvisas igen",
    "zh-CN": r"没有用|无济于事|仍会被拒|无法解决|不会成功|也无用|没有意义",
    "zh-TW": r"沒有用|無濟於事|仍會遭拒|無法解決|不會成功|也沒用|沒有意義",
}

EN_WORDS = set("the of and is to it that this in for on with not be by are was has have or as "
               "from at an its if so but no which will should must may".split())
SV_WORDS = set("och att det som en ett är på av för med den till inte har i om eller men de sig "
               "från vid kan ska måste när så där sin sitt sina utan bör då efter än också ingen "
               "inget något denna detta över under mot hos behöver".split())

# Characters of which one script has the first and the other the second form.
PAIRS = """
邮郵 务務 发發 电電 网網 话話 户戶 验驗 证證 误誤 错錯 设設 请請 连連 过過 过過 时時 间間 开開 关關 闭閉
传傳 输輸 数數 据據 库庫 记記 录錄 类類 别別 级級 权權 标標 头頭 题題 内內 个個 们們 这這 来來 对對 应應
该該 说說 话話 语語 读讀 写寫 认認 识識 让讓 议議 许許 论論 访訪 评評 试試 询詢 详詳 调調 谁誰 课課 谈談
为為 与與 会會 从從 产產 业業 东東 严嚴 举舉 义義 乐樂 习習 书書 买買 乱亂 争爭 亏虧 亚亞 亲親 仅僅 仓倉
价價 优優 伤傷 伪偽 体體 佣傭 侧側 债債 倾傾 储儲 儿兒 兑兌 党黨 兴興 养養 冲衝 决決 况況 净淨 减減 几幾
击擊 划劃 则則 刚剛 创創 删刪 剂劑 剧劇 劝勸 办辦 动動 励勵 劳勞 势勢 区區 医醫 单單 卖賣 卫衛 厂廠 历歷
压壓 厌厭 参參 双雙 变變 叙敘 号號 叹嘆 吓嚇 吗嗎 听聽 启啟 员員 响響 团團 园園 围圍 国國 图圖 圆圓 场場
坏壞 块塊 坚堅 垃垃 垒壘 处處 备備 复復 复複 够夠 头頭 夹夾 奖獎 妇婦 学學 宁寧 实實 审審 宽寬 宾賓 寻尋
导導 将將 尔爾 尝嘗 层層 属屬 岁歲 币幣 师師 帐帳 带帶 帮幫 库庫 应應 废廢 广廣 异異 弃棄 张張 弹彈 强強
归歸 当當 径徑 态態 总總 恶惡 惊驚 惯慣 愿願 戏戲 战戰 户戶 扑撲 执執 扩擴 扫掃 扰擾 护護 报報 担擔 拟擬
择擇 拥擁 挂掛 挡擋 损損 换換 携攜 摄攝 敌敵 断斷 无無 旧舊 显顯 暂暫 术術 机機 杂雜 条條 松鬆 极極 构構
枪槍 柜櫃 标標 栏欄 树樹 样樣 档檔 桥橋 检檢 楼樓 欢歡 欧歐 残殘 毁毀 毕畢 气氣 汇匯 汉漢 决決 没沒 测測
济濟 浏瀏 滚滾 满滿 滥濫 滤濾 潜潛 灵靈 灾災 炼煉 点點 热熱 爱愛 爷爺 牵牽 状狀 独獨 狭狹 献獻 环環 现現
码碼 确確 础礎 离離 种種 积積 称稱 稳穩 穷窮 窃竊 竞競 笔筆 签簽 简簡 范範 粮糧 紧緊 纠糾 红紅 约約 纪紀
级級 纯純 纳納 纵縱 纷紛 线線 练練 组組 细細 织織 终終 经經 绑綁 结結 绕繞 给給 绝絕 统統 继繼 绩績 续續
维維 综綜 绿綠 缓緩 编編 缘緣 缩縮 缴繳 网網 罗羅 罚罰 职職 联聯 肃肅 胜勝 脏髒 脑腦 脚腳 节節 范範 荐薦
获獲 虑慮 虚虛 虽雖 蓝藍 补補 装裝 见見 规規 视視 览覽 觉覺 触觸 订訂 计計 讨討 训訓 议議 讯訊 记記 讲講
诉訴 诊診 词詞 诚誠 诱誘 读讀 谓謂 谢謝 谨謹 贝貝 负負 财財 责責 败敗 账帳 货貨 质質 购購 贴貼 费費 资資
赖賴 赚賺 赛賽 趋趨 践踐 跃躍 踪蹤 转轉 轮輪 软軟 载載 较較 辑輯 输輸 辞辭 边邊 达達 迁遷 迟遲 违違 适適
选選 递遞 逻邏 遗遺 邻鄰 释釋 里裡 钓釣 钥鑰 钮鈕 链鏈 销銷 锁鎖 错錯 键鍵 长長 门門 问問 闲閒 闻聞 队隊
阅閱 阶階 际際 陆陸 随隨 隐隱 难難 静靜 韩韓 页頁 项項 顺順 须須 预預 领領 频頻 颁頒 额額 风風 飞飛 馈饋
饰飾 驱驅 驳駁 骗騙 骚騷 验驗 鱼魚 麦麥 黄黃 齐齊 龙龍 临臨 丢丟 两兩 丽麗 么麼 热熱 伟偉 伦倫 侦偵 假假
减減 冻凍 凭憑 准準 凑湊 却卻 厅廳 县縣 叶葉 吴吳 呜嗚 唤喚 圣聖 坛壇 壳殼 奋奮 妆妝 娱娛 孙孫 岛島 峡峽
庆慶 庄莊 忆憶 怀懷 怜憐 恋戀 恳懇 悬懸 惩懲 扬揚 抛拋 抢搶 拦攔 拨撥 挤擠 据據 捡撿 掷擲 搁擱 撤撤 撑撐
敛斂 昵暱 晓曉 权權 杀殺 枣棗 殴毆 浅淺 涨漲 润潤 涩澀 渐漸 温溫 湾灣 溃潰 滞滯 灭滅 炉爐 烁爍 烦煩 烧燒
牺犧 狱獄 猎獵 猫貓 玛瑪 畅暢 疗療 瘫癱 盐鹽 监監 盖蓋 盘盤 码碼 砖磚 硕碩 碍礙 祸禍 禅禪 秽穢 竖豎 筛篩
筹籌 粪糞 纤纖 绪緒 缆纜 缓緩 缚縛 罢罷 聪聰 肤膚 胁脅 舰艦 苏蘇 荣榮 药藥 莱萊 营營 萧蕭 蒋蔣 虏虜 虾蝦
蚀蝕 蛮蠻 袭襲 讹訛 讽諷 诈詐 诞誕 谎謊 贡貢 贪貪 贫貧 贸貿 赁賃 赃贓 赋賦 赎贖 赞贊 赠贈 赢贏 轨軌 轰轟
辅輔 辆輛 辈輩 辉輝 辽遼 迹跡 逊遜 遥遙 郑鄭 酱醬 鉴鑑 针針 铁鐵 铃鈴 银銀 铺鋪 锋鋒 镇鎮 镜鏡 闪閃 闹鬧
阀閥 阅閱 阵陣 阴陰 陈陳 险險 雾霧 韧韌 顶頂 顾顧 顿頓 颖穎 颗顆 飘飄 饥飢 饭飯 饮飲 饱飽 馆館 驶駛 驻駐
骤驟 鲜鮮 鸟鳥 鸡雞 鹏鵬 黑黑
""".split()
TO_TRADITIONAL = {p[0]: p[1] for p in reversed(PAIRS) if p[0] != p[1]}
SIMPLIFIED = set(TO_TRADITIONAL) - {"准", "里", "划", "松", "冲", "却", "叶", "据"}
TRADITIONAL = {p[1] for p in PAIRS if p[0] != p[1]} - {"瞭"}

# Words of the other region, in this region's characters, as regular expressions.
FOREIGN_WORDS = {
    "zh-CN": "伺服器 网域 寄件者 寄件人 收件者 信箱 使用者 程式 软体 网路 资讯 连线 预设 档案 位元组 "
             "设定 电邮 帐号 帐户 连结 登入 指令 讯息 转寄 用户端 储存 透过 封包 闸道 连接埠 业者 公司行号 "
             "凭证 回覆 字元 反解 工作阶段 信件 隔离信 品质 行动电话".split(),
    "zh-TW": "服務器 (?<!網)域名 發件人 收件人 郵箱 用戶名 用戶可 用戶應 軟件 網絡 信息 默認 文件 賬號 賬戶 "
             "登錄 鏈接 支持 會話 數據 字符 字節 互聯網 網關 端口 服務商 反饋 質量 客戶端 郵件頭 配置 "
             "重發 垃圾箱 在線 打印 缺省 編程 命令 退訂 視頻 手機號 聯繫 短信 帶寬 程序".split(),
}

HAN = r"[\u3400-\u4dbf\u4e00-\u9fff]"
# Marks of full width, and quotes that belong to another language.
WIDE_MARKS = "，。；：、！？（）「」“”"
FOREIGN_QUOTES = {"en": "“”„«»", "sv": "\"“„«»'", "zh-CN": "\"'「」『』", "zh-TW": "\"'“”‘’"}


def read_table(path):
    with open(path, encoding="utf-8", newline="\n") as f:
        return [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]


def read_texts(path):
    """One language: {(kind, id): {field: text}} and what is wrong with the form of the file."""
    texts, faults = {}, []
    rows = read_table(path)
    if not rows or rows[0] != HEADER:
        return {}, [f"first line is not {' '.join(HEADER)}"]
    for cells in rows[1:]:
        if len(cells) != len(HEADER):
            faults.append(f"{cells[:2]}: {len(cells)} fields, not {len(HEADER)}")
            continue
        key = tuple(cells[:2])
        if key in texts:
            faults.append(f"{' '.join(key)}: twice")
        texts[key] = dict(zip(FIELDS, cells[2:]))
    return texts, faults


def read_ids(root):
    """{row id: first digit of its code} and the set of classes, None if they cannot be known."""
    rows = read_table(os.path.join(root, "catalogue", "replies.tsv"))
    at = rows[0].index("code")
    codes = {r[0]: r[at][0] for r in rows[1:] if not r[0].startswith("ok-")}
    shared = os.environ.get("POSTERN_SHARED") or os.path.join(root, "..", "shared")
    for path in (os.path.join(root, "catalogue", "bounces", "classes.tsv"),
                 os.path.join(shared, "catalogue", "taxonomy.tsv")):
        if os.path.exists(path):
            return codes, {r[0] for r in read_table(path)[1:]}
    return codes, None


def check_ids(texts, codes, classes):
    have = {kind: {i for k, i in texts if k == kind} for kind in ("row", "class")}
    for kind, want in (("row", set(codes)), ("class", classes)):
        if want is None:
            if len(have[kind]) != CLASSES_N:
                yield f"{len(have[kind])} classes, not {CLASSES_N}"
            continue
        for i in want - have[kind]:
            yield f"{kind} {i}: missing"
        for i in have[kind] - want:
            yield f"{kind} {i}: unknown"
    for kind in {k for k, _ in texts} - {"row", "class"}:
        yield f"unknown kind {kind}"


def check_form(lang, texts):
    stop = "。" if lang.startswith("zh") else "."
    for (_, i), text in texts.items():
        for field, value in text.items():
            low, high = LENGTHS[lang][field]
            if not low <= len(value) <= high:
                yield f"{i} {field}: {len(value)} characters, not {low} to {high}"
            if value != " ".join(value.split(" ")).strip() or "  " in value:
                yield f"{i} {field}: stray blanks"
            if any(unicodedata.category(c)[0] == "C" or c == "\ufffd" for c in value):
                yield f"{i} {field}: control or replacement character"
            if value.endswith(stop) != (field != "title"):
                yield f"{i} {field}: {'ends' if field == 'title' else 'does not end'} in {stop}"
            if re.search(r"\b[245]\d\d\b|\b[245]\.\d+\.\d+\b", value) and field == "title":
                yield f"{i} title: a code in it"
            if re.search(r"[{}<>]", value.replace("<unique@domain>", "")):
                yield f"{i} {field}: braces or angle brackets"


def check_differ(texts):
    """No two pages read alike: pairs of a mild and a hard row must say what differs."""
    for field in FIELDS:
        seen = {}
        for (kind, i), text in texts.items():
            value = text[field]
            if (kind, value) in seen and field != "remedy":
                yield f"{i} {field}: the same as of {seen[kind, value]}"
            seen[kind, value] = i


def check_promise(lang, texts, codes):
    for (kind, i), text in texts.items():
        remedy = text["remedy"].lower()
        if not re.search(ACTORS[lang], remedy):
            yield f"{i} remedy: does not say who acts"
        if kind != "row" or i not in codes:
            continue
        no_use = re.search(NO_USE[lang], remedy)
        if codes[i] == "4" and (no_use or not re.search(AGAIN[lang], remedy)):
            yield f"{i} remedy: does not say that it is tried again"
        if codes[i] == "5" and not no_use:
            yield f"{i} remedy: does not say that the same again is of no use"


def words_of(value):
    """Words in lower case; those written with capitals throughout (SPF, MAIL) left out."""
    words = re.findall(r"[^\W\d_]+", value)
    return [w.lower() for w in words if not (w.isupper() and len(w) > 1)]


def share(words, wanted):
    return sum(w in wanted for w in words) / max(1, len(words))


def check_english(value, long):
    if not value.isascii():
        yield "characters beyond ASCII"
    if long and share(words_of(value), EN_WORDS) < 0.2:
        yield "does not read as English"


def check_swedish(value, long):
    words = words_of(value)
    if set(words) & {"the", "of", "and", "is", "this", "with", "not", "was", "should", "must"}:
        yield "English words"
    if any(w in EN_WORDS and v in EN_WORDS and w not in SV_WORDS | {"i"}
           for w, v in zip(words, words[1:])):
        yield "English words in a row"
    if re.search(HAN, value):
        yield "Chinese characters"
    if long and share(words, SV_WORDS) < 0.18:
        yield "does not read as Swedish"


def check_chinese(lang, value, long):
    han = re.findall(HAN, value)
    latin = re.findall(r"[A-Za-z][A-Za-z0-9_.=-]*", value)
    if len(han) / max(1, len(han) + len(latin)) < (0.75 if long else 0.5):
        yield "not enough Chinese characters"
    if re.search(r"[A-Za-z]{2,}( [A-Za-z]{2,}){3,}", value):
        yield "a run of foreign words"
    alien = set(han) & (TRADITIONAL - SIMPLIFIED if lang == "zh-CN" else SIMPLIFIED)
    if alien:
        yield f"characters of the other script: {''.join(sorted(alien))}"
    for word in FOREIGN_WORDS[lang]:
        if re.search(word, value):
            yield f"word of the other region: {word}"
    if re.search(HAN + r" ?[,;:?!()] ?" + HAN, value) or re.search(HAN + r"\.", value):
        yield "punctuation of half width"
    if re.search(rf"{HAN} {HAN}|[{WIDE_MARKS}] | [{WIDE_MARKS}]", value):
        yield "a blank between characters"
    if re.search(rf"{HAN}[A-Za-z0-9@%]|[A-Za-z0-9@%]{HAN}", value):
        yield "no blank between Chinese and Latin characters"


def check_value(lang, value, long):
    if lang == "en":
        yield from check_english(value, long)
    elif lang == "sv":
        yield from check_swedish(value, long)
    else:
        yield from check_chinese(lang, value, long)
    if set(value) & set(FOREIGN_QUOTES[lang]):
        yield "quotation marks of another language"


def check_language(lang, texts):
    for (_, i), text in texts.items():
        for field, value in text.items():
            for fault in check_value(lang, value, field != "title"):
                yield f"{i} {field}: {fault}"
        letters = [c for c in "".join(text.values()).lower() if c.isalpha()]
        if lang == "sv" and sum(c in "åäö" for c in letters) < 0.02 * len(letters):
            yield f"{i}: hardly an å, ä or ö"


def to_traditional(value):
    return "".join(TO_TRADITIONAL.get(c, c) for c in value)


def check_across(all_texts):
    """The languages were written each for itself."""
    langs = list(all_texts)
    for n, a in enumerate(langs):
        for b in langs[n + 1:]:
            for key in all_texts[a].keys() & all_texts[b].keys():
                for field in FIELDS:
                    one, other = all_texts[a][key][field], all_texts[b][key][field]
                    if one == other and field != "title":
                        yield f"{key[1]} {field}: the same in {a} and {b}"
                    elif field != "title" and to_traditional(one) == to_traditional(other):
                        yield f"{key[1]} {field}: {b} is {a} in other characters"


# --- words.tsv and glossary.tsv ---

def read_words(path):
    """{language: {id: word}}"""
    rows = read_table(path)
    return {lang: {r[0]: r[n] for r in rows[1:]} for n, lang in enumerate(rows[0]) if n > 0}


def check_words(words):
    for lang in LANGUAGES:
        for i, word in words[lang].items():
            plain = re.sub(r"\{[a-z]+\}", "X", word)
            if sorted(re.findall(r"\{[a-z]+\}", word)) != sorted(
                    re.findall(r"\{[a-z]+\}", words["en"][i])):
                yield f"{lang}: words {i}: other holes than in English"
            if lang.startswith("zh") and not re.search(HAN, plain):
                if re.search(r"[a-z]", plain):
                    yield f"{lang}: words {i}: no Chinese character"
                continue
            quoted = plain.replace('"', "") if lang == "en" else plain
            for fault in check_value(lang, quoted, False):
                if fault != "not enough Chinese characters":
                    yield f"{lang}: words {i}: {fault}"


def read_glossary(path):
    """[(language, thing, word, [never], [but])]"""
    return [(r[0], r[1], r[2], *([] if c == "-" else c.split("|") for c in r[3:5]))
            for r in read_table(path)[1:]]


def check_glossary(glossary, all_texts, words):
    for lang, thing, word, never, but in glossary:
        said = {f"{i} {field}": value for (_, i), text in all_texts[lang].items()
                for field, value in text.items()}
        said |= {f"words {i}": value for i, value in words[lang].items()}
        used = False
        for where, value in said.items():
            value = value.lower()
            used = used or word.lower() in value
            for phrase in but:
                value = value.replace(phrase.lower(), "_")
            for bad in never:
                if bad.lower() in value:
                    yield (f"{lang}: {where}: says '{bad}'; for \"{thing}\" the glossary "
                           f"has '{word}'")
        if not used:
            yield f"{lang}: glossary: '{word}' ({thing}) is said nowhere"


def check_spoilt_words(glossary, all_texts, words):
    """Each word that is never said is seen where it is said all the same."""
    for lang, thing, word, never, but in glossary:
        for bad in never:
            spoilt = copy.deepcopy({lang: words[lang]})
            spoilt[lang]["reply"] = f"{bad} "
            if not any("words reply" in fault for fault in check_glossary(
                    [(lang, thing, word, [bad], but)], {lang: {}}, spoilt)):
                yield f"defect not seen: {lang}, '{bad}'"
    for lang, value, seen in (("zh-TW", "服務器", "other region"), ("zh-CN", "伺服器", "other region"),
                              ("zh-TW", "邮件", "other script"), ("sv", "it is for the", "English"),
                              ("zh-CN", "用DNS", "no blank"), ("zh-CN", "发， 收", "a blank"),
                              ("sv", "\"svar\"", "quotation"), ("zh-TW", "“信”", "quotation"),
                              ("sv", "svar {host}", "holes"), ("zh-TW", "reply", "no Chinese")):
        spoilt = copy.deepcopy(words)
        spoilt[lang]["reply"] = value
        if not any(seen in fault for fault in check_words(spoilt)):
            yield f"defect not seen: {lang}, word '{value}'"


# ---

def check_all(all_texts, codes, classes):
    faults = []
    for lang, texts in all_texts.items():
        for found in (check_ids(texts, codes, classes), check_form(lang, texts),
                      check_differ(texts), check_promise(lang, texts, codes),
                      check_language(lang, texts)):
            faults += [f"{lang}: {fault}" for fault in found]
    return faults + list(check_across(all_texts))


def defects(all_texts, codes):
    """Every kind of defect, as (name, language, change to that language's texts, what is said)."""
    temporary = ("row", next(i for i in codes if codes[i] == "4"))
    permanent = ("row", next(i for i in codes if codes[i] == "5"))

    def put(key, field, value):
        return lambda t: t[key].__setitem__(field, value(t[key][field]))

    def same(key, other, field):
        return lambda t: t[key].__setitem__(field, t[other][field])

    for lang in all_texts:
        yield "row missing", lang, lambda t: t.pop(permanent), "missing"
        yield "class missing", lang, lambda t: t.pop(("class", "loop")), "missing"
        yield ("unknown row", lang, lambda t: t.__setitem__(("row", "no-such"), t[permanent]),
               "unknown")
        yield "unknown kind", lang, lambda t: t.__setitem__(("x", "y"), t[permanent]), "kind"
        for field in FIELDS:
            yield "empty", lang, put(temporary, field, lambda v: ""), "0 characters"
            yield "too long", lang, put(temporary, field, lambda v: v * 8), "characters, not"
            yield "blank at the end", lang, put(temporary, field, lambda v: v + " "), "blanks"
        yield "control", lang, put(permanent, "cause", lambda v: "\x01" + v), "control"
        yield "no full stop", lang, put(permanent, "cause", lambda v: v[:-1]), "does not end"
        yield "title a sentence", lang, put(permanent, "title",
                                            lambda v: v + ("。" if "zh" in lang else ".")), "ends in"
        yield "code in title", lang, put(permanent, "title", lambda v: v + " 550"), "code"
        yield "hole left", lang, put(permanent, "cause", lambda v: "{ip}" + v), "braces"
        yield "same cause", lang, same(permanent, temporary, "cause"), "the same as"
        yield "wrong promise", lang, same(permanent, temporary, "remedy"), "of no use"
        yield "wrong promise", lang, same(temporary, permanent, "remedy"), "tried again"
        yield "nobody acts", lang, put(permanent, "remedy",
                                       lambda v: re.sub(ACTORS[lang], "", v, flags=re.I)), "who acts"
        for other in all_texts:
            if other == lang:
                continue
            for field in ("cause", "remedy"):
                foreign = all_texts[other][permanent][field]
                yield (f"{field} in {other}", lang, put(permanent, field, lambda v, f=foreign: f),
                       rf"{lang}: {permanent[1]} {field}: |the same in")
    if "zh-CN" in all_texts and "zh-TW" in all_texts:
        for field in ("cause", "remedy"):
            turned = to_traditional(all_texts["zh-CN"][temporary][field])
            yield ("turned from zh-CN", "zh-TW", put(temporary, field, lambda v, f=turned: f),
                   "in other characters|the other region")
    spoilt = {"sv": " It was not for the list.",
              "zh-CN": "請聯絡郵件伺服器管理員。", "zh-TW": "请联系邮件服务器管理员。"}
    for lang, more in spoilt.items():
        if lang in all_texts:
            yield "a sentence left over", lang, put(permanent, "cause", lambda v, m=more: v + m), (
                "English|script|region")
    if "sv" in all_texts:
        flat = str.maketrans("åäö", "aao")
        yield "no diacritics", "sv", lambda t: t.__setitem__(
            permanent, {f: v.translate(flat) for f, v in t[permanent].items()}), "hardly"
    for lang in all_texts:
        if lang.startswith("zh"):
            yield "half width", lang, put(permanent, "cause", lambda v: "因此,但是" + v), "half width"
            yield "run", lang, put(permanent, "cause",
                                   lambda v: "because the server said so" + v), "foreign words"


def check_defects(all_texts, codes):
    """On three pages of each language, which is as good as on all."""
    first = {c: next(i for i in codes if codes[i] == c) for c in "45"}
    codes, classes, n = {i: c for c, i in first.items()}, {"loop"}, 0
    keys = [("row", i) for i in codes] + [("class", "loop")]
    all_texts = {lang: {key: texts[key] for key in keys} for lang, texts in all_texts.items()}
    for name, lang, change, said in defects(all_texts, codes):
        spoilt = dict(all_texts)
        spoilt[lang] = copy.deepcopy(all_texts[lang])
        change(spoilt[lang])
        n += 1
        if not any(re.search(said, fault) for fault in check_all(spoilt, codes, classes)):
            yield f"defect not seen: {lang}, {name}"
    print(f"{n} defects tried")


def main(argv):
    root = argv[1]
    codes, classes = read_ids(root)
    if classes is None:
        print("no list of classes to compare with")
    all_texts, faults = {}, []
    for lang in LANGUAGES:
        texts, wrong = read_texts(os.path.join(root, "catalogue", "explain", lang + ".tsv"))
        all_texts[lang] = texts
        faults += [f"{lang}: {fault}" for fault in wrong]
    faults += check_all(all_texts, codes, classes)
    explain = os.path.join(root, "catalogue", "explain")
    words = read_words(os.path.join(explain, "words.tsv"))
    glossary = read_glossary(os.path.join(explain, "glossary.tsv"))
    faults += list(check_words(words)) + list(check_glossary(glossary, all_texts, words))
    if not faults:
        faults = list(check_defects(all_texts, codes))
        faults += check_spoilt_words(glossary, all_texts, words)
    for fault in faults:
        print(fault)
    print(f"{sum(map(len, all_texts.values()))} texts, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
