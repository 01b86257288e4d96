//! Words of many languages, in classes by what they are used for. A `*` at the end of a word stands for any ending. Latin letters
//! are without their accents here, as texts are when they are judged.

/// What a word is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// To set aside.
    Ignore,
    /// What came before.
    Prior,
    /// What a model was told.
    Rules,
    /// Of the system, hidden, first.
    System,
    Prompt,
    /// To bring to light.
    Reveal,
    /// To say or write, which is asked of a model all day.
    Say,
    Verbatim,
    /// To play a part.
    Pretend,
    Unlimited,
    /// Limits that somebody wants gone.
    Limits,
    Without,
    Assistant,
    You,
    Now,
    New,
    Send,
    Secrets,
    Never,
    Refuse,
    Comply,
    Tell,
    User,
    Decode,
    /// Words of those who speak about attacks.
    About,
    Harm,
    Execute,
}

pub const CLASSES: usize = Class::Execute as usize + 1;

/// A set of classes.
pub type Classes = u32;

pub const fn bit(class: Class) -> Classes {
    1 << class as u8
}

const WORDS: &[(Class, &str)] = &[
    (
        Class::Ignore,
        "ignore* ignoring disregard* forget forgetting forgot override* overrid* overrule* bypass* skip discard* drop neglect* erase cancel void unlearn dismiss abandon circumvent* \
        ignorier* vergiss vergesst vergessen missacht* verwirf uberschreib* umgeh* \
        oublie* oubliez ignorez neglige* contourne* annule* \
        ignora* olvida* olvide* descarta* omite omitir anula* salta \
        dimentica* scorda* trascura* tralascia* \
        esqueca* esquece* desconsider* ignorar* despreze \
        negeer* vergeet* \
        zignoruj* ignoruj* zapomnij* pomin* \
        игнориру* проигнориру* забудь* забыть отбрось* пренебре* ігноруй* \
        unut* yoksay* gormezden \
        abaikan lupakan \
        bo qua \
        تجاهل* انس انسى \
        अनदेखा नज़रअंदाज़ भूल* \
        glom ignorera bortse glem se-bort ignorujte zapomen* felejtsd hagyd αγνοησ* ξεχασ*",
    ),
    (
        Class::Ignore,
        "忽略 无视 忘记 忘掉 不要理会 抛开 忽視 無視し 無視する 無視して 忘れ 忘れて 무시 잊어 잊고 잊으",
    ),
    (
        Class::Prior,
        "previous* prior preceding above earlier before past former foregoing all every any everything original initial existing current given received far \
        vorherig* vorig* bisherig* obig* fruher* alle alles ursprunglich* vorangegangen* \
        precedent* anterieur* ci-dessus toutes tous tout initial* \
        anterior* previas previos previa previo todas todos toda \
        precedent* tutte tutti quanto sopra \
        prévia todas acima \
        vorige eerdere bovenstaande alle \
        poprzedni* wszystki* powyzsz* \
        предыдущ* все всё выше прежн* предшеству* ранее попередн* усі \
        onceki* tum butun yukaridaki \
        sebelumnya semua \
        truoc \
        السابقة السابقه السابق جميع كل \
        पिछले पिछली सभी पहले \
        tidigare foregaende tidligere predchozi* vsechny korabbi minden προηγουμεν*",
    ),
    (
        Class::Prior,
        "之前 以上 先前 此前 前面 所有 上述 全部 以前 これまで 上記 すべて 全て 今まで 이전 모든 위의 지금까지 앞의",
    ),
    (
        Class::Rules,
        "instruction* rule* guideline* directive* directions prompt* programming command* order* training constraint* restriction* context policies policy told safeguard* filter* guardrail* protocol* principles \
        anweisung* regel* vorgabe* richtlinie* befehl* instruktion* weisung* beschrankung* \
        consigne* regle* directive* ordre* \
        instruccion* regla* directriz directrices orden* indicacion* restriccion* \
        istruzion* regol* direttiv* comand* restrizion* \
        instruco* instruca* regra* diretriz* comando* orientac* \
        instructie* regels richtlijn* opdracht* \
        instrukcj* polecen* zasad* wytyczn* regul* \
        инструкци* правил* указани* команд* директив* ограничен* інструкці* вказівк* \
        talimat* kural* komut* yonerge* \
        instruksi perintah aturan \
        huong dan chi thi lenh quy tac \
        التعليمات تعليمات القواعد الأوامر الاوامر \
        निर्देश* नियम* आदेश* \
        instruktion* regler instrukce pokyny utasitas* szabaly* οδηγι* κανον*",
    ),
    (
        Class::Rules,
        "指令 指示 提示 规则 規則 命令 要求 限制 设定 ルール 制約 指示を プロンプト 지시 명령 규칙 지침 프롬프트",
    ),
    (
        Class::System,
        "system* hidden initial secret original internal preprompt pre-prompt confidential underlying developer* base core startup \
        systeme cache sistema oculto oculta nascost* interno segreto segreta systemowy* systemow* ukryt* verborgen* geheime* interne* \
        систем* скрыт* секретн* исходн* начальн* sistem gizli \
        النظام المخفية सिस्टम गुप्त",
    ),
    (
        Class::System,
        "系统 初始 隐藏 內部 内部 システム 初期 隠さ 隠し 시스템 초기 숨겨진 숨긴",
    ),
    (
        Class::Prompt,
        "prompt* instruction* message configuration guidelines directives preamble setup rules \
        anweisungen eingabeaufforderung nachricht vorgaben instrucciones mensaje istruzioni messaggio instrucoes mensagem consignes message instructies instrukcje \
        промпт* инструкци* сообщени* подсказк* talimat* istem التعليمات الموجه प्रॉम्प्ट निर्देश*",
    ),
    (
        Class::Prompt,
        "提示词 提示 指令 指示 プロンプト 프롬프트 지침 지시 메시지",
    ),
    (
        Class::Reveal,
        "reveal* show print repeat* output display leak* disclose* dump recite expose* spell quote reproduce* echo return \
        zeig* wiederhole* gib verrat* offenbar* ausgeben drucke* \
        montre* affiche* repete* revele* \
        muestra* muestrame repite* revela* imprime* dime \
        mostra* mostrami ripeti* rivela* stampa* dimmi \
        mostre repita revele imprima diga exiba \
        toon herhaal onthul pokaz* powtorz* ujawnij* wypisz* podaj \
        покажи* повтори* раскрой* выведи* сообщи* goster* yazdir* tekrarla* acikla* tampilkan ungkapkan \
        اعرض اظهر أظهر كرر اكشف दिखाओ दिखाएं बताओ बताएं दोहराओ",
    ),
    (
        Class::Reveal,
        "显示 告诉 重复 输出 打印 泄露 透露 展示 说出 写出 表示 教えて 出力 繰り返 見せて 보여 출력 반복 알려 공개",
    ),
    (
        Class::Say,
        "tell give share list write copy paste what summarize* summarise* translate* paraphrase describe provide \
        nenne* schreib* donne* ecris escribe scrivi escreva geef napisz напиши* yaz",
    ),
    (
        Class::Verbatim,
        "verbatim exactly word entirety beginning starting above everything wortlich woertlich wortwortlich textuellement mot exactement literalmente textualmente palabra palavra parola letteralmente letterlijk doslownie дословно слово kelimesi",
    ),
    (
        Class::Verbatim,
        "逐字 一字不漏 原文 完整 一字一句 そのまま 全文 그대로 전문",
    ),
    (
        Class::Pretend,
        "pretend* act acting roleplay* role-play role imagine simulate* simulating persona character behave impersonate* play become emulate* \
        tu spiel* stell verhalte* agier* rolle fais joue* agis imagine* role finge* actua* imagina* simula* interpreta* fingi* recita* comporta* aja finja fingir atue doe alsof gedraag udawaj* zachowuj* wciel* \
        притворись* представь* веди сыграй* действуй* роль rol davran gibi berpura bertindak تظاهر تخيل تصرف नाटक कल्पना",
    ),
    (
        Class::Pretend,
        "扮演 假装 角色 模拟 假設 假设 扮 なりき ふりを 演じ 役 として振 역할 연기 척하 가장",
    ),
    (
        Class::Unlimited,
        "unrestricted unfiltered uncensored unlimited jailbroken jailbreak* limitless amoral unethical unhinged unbound unconstrained liberated uneingeschrankt* unzensiert* ungefiltert* sans-limites illimite* irrestrict* ilimitad* senza-limiti illimitat* sem-limites nieograniczon* неограниченн* sinirsiz sansursuz evil dan stan dude omega aim maximum chaosgpt bettergpt devmode godmode",
    ),
    (
        Class::Unlimited,
        "不受限制 无限制 越狱 没有限制 无审查 不受约束 無制限 制限なし 制限のない 脱獄 제한 없는 제한없는 탈옥 무제한",
    ),
    (
        Class::Limits,
        "restriction* limit* limitation* filter* rule* ethic* moral* safety polic* guideline* censorship boundar* constraint* safeguard* guardrail* disclaimer* warning* content-policy guidelines \
        einschrankung* grenzen regeln ethik moral* richtlinien sicherheit* zensur \
        limite* restriction* filtre* regle* morale ethique \
        limites restriccion* filtro* etic* reglas censura \
        limiti restrizion* filtri regole etica censura restrico* filtros regras \
        beperking* grenzen ograniczen* filtr* zasad* etyk* \
        ограничен* фильтр* цензур* правил* морал* этик* sinir* kisitlama* filtre* etik batasan قيود सीमा",
    ),
    (
        Class::Limits,
        "限制 道德 约束 过滤 审查 伦理 规则 安全 制限 倫理 フィルター 規制 제한 윤리 필터 검열 규제",
    ),
    (
        Class::Without,
        "without no free lacking remove* removed disable* disabled off lift lifted ohne frei keine deaktivier* sans desactiv* sin libre desactiva* senza disattiva* sem desative zonder uitgeschakeld bez wylacz* без отключ* нет olmadan tanpa بدون बिना",
    ),
    (
        Class::Without,
        "没有 不受 解除 取消 关闭 なし なく 外し 解除し 없이 없는 해제",
    ),
    (
        Class::Assistant,
        "ai assistant model llm chatbot bot chatgpt gpt claude gemini llama agent ki assistent ia asistente assistente assistent asystent ии ассистент модель yapay asistan",
    ),
    (
        Class::Assistant,
        "助手 模型 人工智能 机器人 アシスタント モデル 어시스턴트 모델",
    ),
    (
        Class::You,
        "you your youre ur du dein* deine* ihr sie tu te toi ton tes votre vous tus eres voce seu sua suas tuo tue sei je jouw jij ty twoj* twoje ты твои вы ваши твоими вами sen senin kamu bạn ban أنت तुम आप",
    ),
    (Class::You, "你 您 你的 あなた 君 당신 너는 너의 넌"),
    (
        Class::Now,
        "now henceforth hereafter onwards moving jetzt ab nun nunmehr fortan desormais maintenant ahora adelante ora adesso agora partir nu voortaan teraz odtad теперь отныне сейчас simdi artik sekarang الآن अब",
    ),
    (Class::Now, "现在 从现在 今から これから 지금부터 이제"),
    (
        Class::New,
        "new updated real actual instead following only next true different neue* neuen folgende* stattdessen nouvelle* nouveau* suivante* nuevas nuevo nueva siguientes nuove nuovo novas novo nieuwe nowe nowy новые новая новую новой следующ* yeni الجديدة नए",
    ),
    (
        Class::New,
        "新的 以下 改为 而是 新しい 次の 代わり 새로운 다음 대신",
    ),
    (
        Class::Send,
        "send email e-mail mail forward post upload exfiltrate* transmit deliver submit append embed curl wget fetch request call navigate visit click open load transfer pay schick* sende* senden weiterleit* leite* ubermittel* envoie* envoyez transfere* envia* enviar reenvia* manda* invia* inoltra* envie encaminhe stuur wyslij* przeslij* отправь* перешли* отправить gonder* kirim* أرسل भेज*",
    ),
    (
        Class::Send,
        "发送 转发 上传 邮件 送信 転送 送って 전송 보내 전달 업로드",
    ),
    (
        Class::Secrets,
        "password* passwords credential* key keys apikey token tokens secret* conversation history chat cookies environment env contents files data inbox emails contacts credentials account balance ssh database records personal \
        passwort* passworter zugangsdaten gesprach* verlauf dateien geheimnis* mot-de-passe identifiants conversation historique contrasena* credenciales historial datos credenziali cronologia dati senha* credenciais historico dados wachtwoord* hasl* historie пароль* пароли данные переписк* истори* ключ* sifre* gecmis* verileri",
    ),
    (
        Class::Secrets,
        "密码 密钥 对话 历史 记录 凭证 数据 パスワード 会話 履歴 認証 データ 鍵 비밀번호 대화 기록 키를 데이터",
    ),
    (
        Class::Never,
        "never not dont do-not cannot cant must always without nicht niemals nie kein jamais ne pas nunca no non mai nao nooit nigdy nie никогда не asla jangan لا मत",
    ),
    (
        Class::Never,
        "不要 不能 绝不 永远 ないで 決して 禁止 마라 절대 하지",
    ),
    (
        Class::Refuse,
        "refuse* refusing decline* apologi* sorry warn* warning* lecture* disclaimer* cannot cant ablehn* verweiger* weiger* refuser refuses negarte rechac* rifiut* recus* negue weiger* odmawia* отказ* предупрежд* reddet*",
    ),
    (
        Class::Refuse,
        "拒绝 警告 道歉 断ら 拒否 警告し 거부 거절 경고",
    ),
    (
        Class::Comply,
        "comply obey answer respond fulfil* fulfill* follow execute accept do anything befolge* gehorch* antworte* obeis* reponds* obedece* responde* obbedis* rispondi* obedec* gehoorzaam* posluszn* odpowiad* выполн* отвечай* подчин* itaat cevapla",
    ),
    (
        Class::Comply,
        "遵守 回答 服从 执行 任何 従って 答えて 何でも 따라 답해 대답 무엇이든",
    ),
    (
        Class::Tell,
        "tell mention say inform notify alert reveal disclose acknowledge erwahn* sag* verrat* informier* dis mentionne* informe* diga menciones digas dire menzion* diga mencione vertel noem mow wspomin* говори* упомина* сообща* soyleme* bahsetme*",
    ),
    (
        Class::Tell,
        "告诉 提及 提到 告知 言わ 伝え 知らせ 말하 언급 알리",
    ),
    (
        Class::User,
        "user users human operator customer reader anyone owner nutzer* benutzer* anwender* utilisateur* usuario* utente* usuario* gebruiker* uzytkownik* пользовател* kullanici*",
    ),
    (Class::User, "用户 使用者 ユーザー 利用者 사용자 유저"),
    (
        Class::Decode,
        "decode* base64 rot13 hex decrypt* deobfuscate cipher encoded decodier* entschlussel* decodifica* decode* decodez расшифруй* декодируй* dekoduj*",
    ),
    (Class::Decode, "解码 解密 译码 デコード 復号 디코딩 해독"),
    (
        Class::About,
        "injection injections jailbreaks attack* attacker* example* detect* detection classifier* research* paper study article blog defend* defense defence mitigat* prevent* vulnerab* phrase* phrases such-as payload* malicious adversar* owasp security researchers explain* means term called test tests unit dataset* red-team angriff* angreifer* beispiel* erkenn* forsch* sicherheitslucke* attaque* exemple* detecter ataque* ejemplo* detectar attacco attacchi esempio exemplo* aanval* voorbeeld* atak* przyklad* атак* пример* обнаруж* saldiri* ornek*",
    ),
    (
        Class::About,
        "攻击 攻擊 例如 检测 防御 防止 安全研究 攻撃 例えば 検出 対策 공격 예를 탐지 방어",
    ),
    (
        Class::Harm,
        "bomb* explosive* meth methamphetamine malware ransomware virus keylogger napalm poison* weapon* hack* hacking phish* counterfeit steal* illegal* drug* drugs murder kill suicide bombe* sprengstoff* waffe* drogen explosif* arme* drogues bomba* explosivo* arma* armas drogas esplosiv* droga bom wapen* bombe бомб* взрывчатк* наркотик* оружи* вирус* bomba silah",
    ),
    (
        Class::Harm,
        "炸弹 毒品 武器 病毒 爆弾 麻薬 ウイルス 폭탄 마약 무기",
    ),
    (
        Class::Execute,
        "execute* run rm sudo eval import os.system subprocess shell bash powershell delete drop truncate purchase buy approve grant merge deploy install fuhre losche* execute* supprime* ejecuta* borra* esegui* cancella* exclua apague uitvoeren usun* выполни* удали* calistir*",
    ),
];

/// Phrases that need no other words beside them, or that words alone do not carry. Compared word by word.
pub const PHRASES: &[(&str, &str, f32)] = &[
    ("jailbreak", "do anything now", 0.8),
    ("jailbreak", "developer mode enabled", 0.7),
    ("jailbreak", "developer mode output", 0.7),
    ("jailbreak", "enable developer mode", 0.6),
    ("jailbreak", "god mode", 0.3),
    ("jailbreak", "sudo mode", 0.5),
    ("jailbreak", "opposite mode", 0.5),
    ("jailbreak", "evil confidant", 0.7),
    ("jailbreak", "always intelligent and machiavellian", 0.9),
    ("jailbreak", "strive to avoid norms", 0.8),
    ("jailbreak", "break character", 0.3),
    ("jailbreak", "stay in character", 0.25),
    ("jailbreak", "tokens will be deducted", 0.7),
    ("jailbreak", "lose tokens", 0.45),
    ("jailbreak", "classic jailbreak", 0.3),
    ("jailbreak", "as dan", 0.5),
    ("jailbreak", "you are dan", 0.7),
    ("jailbreak", "called dan", 0.6),
    ("jailbreak", "no longer bound", 0.6),
    ("jailbreak", "not bound by", 0.5),
    ("jailbreak", "broken free", 0.5),
    ("jailbreak", "freed from the typical confines", 0.8),
    ("jailbreak", "typical confines of ai", 0.7),
    ("jailbreak", "deceased grandmother", 0.5),
    ("jailbreak", "grandma used to", 0.4),
    ("jailbreak", "grandmother who used to", 0.4),
    ("jailbreak", "my late grandmother", 0.35),
    ("refusal", "start your response with", 0.3),
    ("refusal", "begin your answer with", 0.3),
    ("refusal", "start with sure here", 0.5),
    ("refusal", "sure here is", 0.15),
    ("refusal", "never say you can t", 0.5),
    ("refusal", "do not apologize", 0.25),
    ("refusal", "without any warnings", 0.35),
    ("refusal", "no disclaimers", 0.3),
    ("override", "new instructions", 0.3),
    ("override", "new system prompt", 0.5),
    ("override", "system override", 0.6),
    ("override", "admin override", 0.6),
    ("override", "instruction override", 0.6),
    ("override", "end of system prompt", 0.6),
    ("override", "your new task is", 0.4),
    ("override", "your real task", 0.4),
    ("override", "neue anweisungen", 0.3),
    ("override", "nouvelles instructions", 0.3),
    ("override", "nuevas instrucciones", 0.3),
    ("override", "новые инструкции", 0.3),
    ("exfiltration", "system prompt", 0.1),
    ("exfiltration", "what were you told", 0.3),
    ("exfiltration", "everything above this line", 0.5),
    ("exfiltration", "text above this line", 0.5),
    ("exfiltration", "words above", 0.3),
    ("exfiltration", "starting with you are", 0.5),
    ("authority", "i am your developer", 0.45),
    ("authority", "i am the developer", 0.4),
    ("authority", "i am an openai", 0.5),
    ("authority", "i work for openai", 0.4),
    ("authority", "i work at anthropic", 0.4),
    ("authority", "this is your administrator", 0.5),
    ("authority", "maintenance mode", 0.3),
    ("authority", "debug mode", 0.25),
    ("authority", "authorization code", 0.2),
    ("indirect", "if you are an ai", 0.5),
    ("indirect", "if you are a language model", 0.6),
    ("indirect", "ai assistants reading this", 0.7),
    ("indirect", "attention ai", 0.6),
    ("indirect", "note to ai", 0.5),
    ("indirect", "dear ai", 0.4),
    ("indirect", "instructions for the ai", 0.5),
    ("indirect", "important message to the assistant", 0.7),
    ("fiction", "in this hypothetical", 0.25),
    ("fiction", "hypothetical world where", 0.25),
    ("fiction", "purely fictional", 0.2),
    ("fiction", "for educational purposes only", 0.2),
];

/// A lexicon that words are looked up in.
pub struct Lexicon {
    /// By a hash of the first letters.
    buckets: Vec<Vec<Entry>>,
    /// Words of scripts that have no spaces, by the same hash of their first character.
    unspaced: Vec<Vec<Entry>>,
    phrases: Vec<Vec<Phrase>>,
}

struct Entry {
    word: &'static str,
    any_ending: bool,
    classes: Classes,
}

pub struct Phrase {
    pub words: Vec<&'static str>,
    pub family: &'static str,
    pub weight: f32,
}

const BUCKETS: usize = 1024;

fn bucket(word: &str) -> usize {
    let bytes = word.as_bytes();
    let [first, second, third] = [0, 1, 2].map(|i| usize::from(bytes.get(i).copied().unwrap_or(0)));
    // The second letter of a two-byte script is its fourth byte: the first one alone tells them apart well enough.
    let key = if first < 0x80 {
        first * 31 + second
    } else {
        first * 7 + second * 61 + if first >= 0xE0 { third } else { 0 }
    };
    key % BUCKETS
}

impl Default for Lexicon {
    fn default() -> Lexicon {
        Lexicon::new()
    }
}

impl Lexicon {
    pub fn new() -> Lexicon {
        let empty = || {
            (0..BUCKETS)
                .map(|_| Vec::new())
                .collect::<Vec<Vec<Entry>>>()
        };
        let (mut buckets, mut unspaced) = (empty(), empty());
        for (class, words) in WORDS {
            for written in words.split_whitespace() {
                let word = written.strip_suffix('*').unwrap_or(written);
                let spaced = !word.chars().next().is_some_and(crate::normal::is_unspaced);
                let place = if spaced { &mut buckets } else { &mut unspaced };
                let any_ending = word.len() < written.len();
                place[bucket(word)].push(Entry {
                    word,
                    any_ending,
                    classes: bit(*class),
                });
            }
        }
        let mut phrases: Vec<Vec<Phrase>> = (0..BUCKETS).map(|_| Vec::new()).collect();
        for (family, phrase, weight) in PHRASES {
            let words: Vec<&str> = phrase.split_whitespace().collect();
            phrases[bucket(words[0])].push(Phrase {
                words,
                family,
                weight: *weight,
            });
        }
        Lexicon {
            buckets,
            unspaced,
            phrases,
        }
    }

    /// What a word is used for; 0 where it is in no class.
    pub fn classes(&self, word: &str) -> Classes {
        let fits = |entry: &&Entry| {
            word == entry.word || (entry.any_ending && word.starts_with(entry.word))
        };
        self.buckets[bucket(word)]
            .iter()
            .filter(fits)
            .fold(0, |all, entry| all | entry.classes)
    }

    /// The longest word at the beginning of a text without spaces: its classes and bytes.
    pub fn unspaced(&self, text: &str) -> Option<(Classes, usize)> {
        let fits = self.unspaced[bucket(text)]
            .iter()
            .filter(|entry| text.starts_with(entry.word));
        let longest = fits.clone().map(|entry| entry.word.len()).max()?;
        let classes = fits
            .filter(|entry| entry.word.len() == longest)
            .fold(0, |all, entry| all | entry.classes);
        Some((classes, longest))
    }

    /// Phrases that begin with this word.
    pub fn phrases<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a Phrase> {
        let fits = move |phrase: &&Phrase| phrase.words[0] == word;
        self.phrases[bucket(word)].iter().filter(fits)
    }
}
