"""A headline and a sentence in each of 34 languages: what a newsroom may print, and a letter must carry."""

from typing import Final

LANGUAGES: Final[dict[str, tuple[str, str]]] = {
    "am": ("ዛሬ የዓለም ዜና", "አስራ ስድስት አገሮች ስለ ባሕር ወለል ዛሬ ይወስናሉ።"),
    "ar": (
        "نشرة الأخبار: قمة في سوفا اليوم",
        "تقرر ست عشرة دولة هذا الأسبوع ما إذا كان قاع بحرها سيبقى مغلقًا حتى عام 2040.",
    ),
    "bg": ("Шестнадесет държави решават", "Тази седмица те решават дали дъното ще остане затворено до 2040 г."),
    "bn": ("আজকের বিশ্ব সংবাদ", "ষোলটি দেশ এই সপ্তাহে সমুদ্রতল নিয়ে সিদ্ধান্ত নেবে।"),
    "cs": ("Šestnáct států hlasuje o mořském dně", "Příští týden rozhodnou, zda zůstane uzavřené až do roku 2040."),
    "da": ("Seksten stater stemmer om havbunden", "Ugen afgør, om den forbliver lukket frem til år 2040."),
    "de": (
        "Sechzehn Staaten entscheiden über den Meeresboden",
        "Größere Flächen blieben bis 2040 geschlossen; „ja“ sagen elf.",
    ),
    "el": ("Δεκαέξι κράτη αποφασίζουν για τον βυθό", "Αυτή την εβδομάδα κρίνεται αν θα μείνει κλειστός έως το 2040."),
    "en": (
        "Sixteen states weigh a pause on mining the deep sea",
        "It needs eleven of them; by Sunday night the count stood at ten.",
    ),
    "es": (
        "Dieciséis países deciden sobre el fondo del mar",
        "¿Seguirá cerrado hasta 2040? La votación llega el miércoles.",
    ),
    "fa": ("شانزده کشور دربارهٔ بستر دریا تصمیم می‌گیرند", "این هفته روشن می‌شود که آیا تا سال ۲۰۴۰ بسته می‌ماند."),
    "fi": ("Kuusitoista valtiota päättää merenpohjasta", "Tällä viikolla ratkeaa, pysyykö se suljettuna vuoteen 2040."),
    "fr": (
        "Seize États décident du sort des fonds marins",
        "L’île a voté : « non » à 10\u202f000 voix près, d’après le greffe.",
    ),
    "he": ("שש עשרה מדינות מחליטות על קרקעית הים", "השבוע יוכרע אם תישאר סגורה עד שנת 2040."),
    "hi": ("सोलह देश समुद्र तल पर फ़ैसला करेंगे", "इस सप्ताह तय होगा कि वह २०४० तक बंद रहेगा या नहीं।"),
    "hu": ("Tizenhat állam dönt a tengerfenékről", "A héten kiderül, hogy 2040-ig zárva marad-e az őrzött mélység."),
    "hy": ("Տասնվեց պետություն որոշում է", "Այս շաբաթ կորոշվի, թե արդյոք ծովի հատակը փակ կմնա։"),
    "it": (
        "Sedici Stati decidono sul fondo del mare",
        "Resterà chiuso fino al 2040? Perché no, dice l’isola di Nauru.",
    ),
    "ja": ("世界の要点：太平洋の十六か国が海底採掘を決める", "今週、海底が二〇四〇年まで閉じられるかどうかが決まる。"),
    "ka": ("თექვსმეტი სახელმწიფო წყვეტს", "ამ კვირაში გადაწყდება, დარჩება თუ არა ზღვის ფსკერი დახურული."),
    "ko": ("열여섯 나라가 해저 채굴을 결정한다", "이번 주에 2040년까지 바다 밑을 닫아 둘지 정해진다."),
    "nl": ("Zestien landen beslissen over de zeebodem", "Blijft die dicht tot 2040? Eén stem kan het verschil maken."),
    "pl": (
        "Szesnaście państw decyduje o dnie morza",
        "W tym tygodniu okaże się, czy pozostanie zamknięte do 2040 roku.",
    ),
    "pt": (
        "Dezesseis países decidem sobre o fundo do mar",
        "A votação de quarta-feira precisa de onze; há dez até agora.",
    ),
    "ro": (
        "Șaisprezece state hotărăsc soarta fundului mării",
        "Săptămâna aceasta se decide dacă rămâne închis până în 2040.",
    ),
    "ru": (
        "Шестнадцать государств решают судьбу морского дна",
        "На этой неделе станет ясно, останется ли оно закрытым до 2040 года.",
    ),
    "sv": ("Sexton stater avgör havsbottnens öde", "Den här veckan avgörs om den förblir stängd till år 2040."),
    "ta": ("பதினாறு நாடுகள் முடிவு செய்கின்றன", "இந்த வாரம் கடலின் அடித்தளம் பற்றி வாக்கெடுப்பு."),
    "th": ("สิบหกประเทศตัดสินอนาคตพื้นทะเล", "สัปดาห์นี้จะรู้ว่าจะปิดไปจนถึงปี 2040 หรือไม่"),
    "tr": (
        "On altı ülke deniz tabanı için karar veriyor",
        "İlk oylama çarşamba günü; ığdır gibi küçük iller de izliyor.",
    ),
    "uk": (
        "Шістнадцять держав вирішують долю морського дна",
        "Цього тижня стане відомо, чи залишиться воно закритим до 2040 року.",
    ),
    "ur": ("سولہ ملک سمندر کی تہہ پر فیصلہ کریں گے", "اس ہفتے طے ہوگا کہ وہ 2040 تک بند رہے گی یا نہیں۔"),
    "vi": ("Mười sáu nước quyết định về đáy biển", "Tuần này sẽ rõ liệu vùng biển ấy có đóng cửa đến năm 2040."),
    "zh": ("世界简报：十六国决定海底的未来", "本周将决定海底是否关闭到二〇四〇年，目前有十国赞成。"),
}
