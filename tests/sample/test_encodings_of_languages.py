"""Small files in each encoding and in languages that it is made for: right, or the right one is told, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from pipeline_app.sample.csvreport.encodings import decide
from pipeline_app.sample.csvreport.errors import UnreadableFile
from pipeline_app.sample.csvreport.scanning import scan

_FILES: Final = {
    "western": (
        "id;Name;Ort;Straße\n"
        "1;Müller;Köln;Hauptstraße 5\n"
        "2;Jürgen Groß;München;Gänsemarkt 1\n"
        "3;Schäfer;Würzburg;Königsallee 9\n",
        "id;prénom;ville;montant\n1;Hélène;Besançon;1 234,50\n2;François;Nîmes;88,00\n3;Zoé;Orléans;12,10\n",
        "id,pessoa,cidade\n1,João,São Paulo\n2,Conceição,Brasília\n3,Antônio,Maceió\n",
    ),
    "nordic": (
        "id,navn,by\n1,Bjørn,Tromsø\n2,Åse Sæther,Ålesund\n",
        "id,namn\n1,Åsa Öberg\n2,Göran\n",
        "id,nafn\n1,Þór Guðmundsson\n2,Ísafjörður\n3,Sigríður\n",
    ),
    "central": (
        "id,imię,miasto\n1,Łukasz,Łódź\n2,Żaneta,Kraków\n3,Grażyna,Gdańsk\n",
        "id,jméno,město\n1,Jiří,Třebíč\n2,Šárka,Plzeň\n3,Dvořák,Děčín\n",
        "id,név,város\n1,Győző,Kőszeg\n2,Ágnes,Fertőd\n3,Zsófia,Székesfehérvár\n",
    ),
    "russian": (
        "ид,имя,город\n1,Иван Петров,Москва\n2,Илья,Тверь\n3,Анна,Казань\n",
        "id,name,city\n1,Сергей,Омск\n2,Ольга,Пермь\n3,Юлия,Уфа\n",
        "id;Товар;Цена\n1;Молоко;10,50\n2;Хлеб;20,00\n3;Сыр;99,90\n",
    ),
    "ukrainian": (
        "id,ім'я,місто\n1,Олексій,Київ\n2,Їжакевич,Чернігів\n3,Євген,Львів\n",
        "id,name,city\n1,Наталія,Рівне\n2,Сергій,Одеса\n3,Ганна,Запоріжжя\n",
        "ід;товар;ціна\n1;Молоко;10\n2;Хліб;20\n3;Сіль;5\n",
    ),
    "greek": (
        "id,name,city\n1,Γιώργος,Αθήνα\n2,Ελένη,Θεσσαλονίκη\n3,Νίκος,Πάτρα\n",
        "κωδικός;όνομα;πόλη\n1;Μαρία;Ηράκλειο\n2;Κώστας;Λάρισα\n",
        "id,product\n1,Γάλα\n2,Ψωμί\n3,Τυρί\n",
    ),
    "turkish": (
        "id,ad,şehir\n1,İbrahim Güneş,Eskişehir\n2,Ayşe Çelik,İstanbul\n3,Gülşah,Muğla\n",
        "id,ad\n1,Iş\u0131k\n2,Yağmur\n3,Çağr\u0131\n",
        "no;ürün;fiyat\n1;Süt;10\n2;Ekmek;5\n3;Yoğurt;12\n4;K\u0131rm\u0131z\u0131 şarap;90\n",
    ),
    "hebrew": (
        "id,name,city\n1,שלום,ישראל\n2,דוד כהן,תל אביב\n3,משה,חיפה\n",
        "id,שם\n1,רחל\n2,יעקב\n",
        "id,product,price\n1,חלב,5.90\n2,לחם,7.00\n",
    ),
    "arabic": (
        "id,name,city\n1,محمد أحمد,القاهرة\n2,فاطمة,دمشق\n3,علي,بغداد\n",
        "id,الاسم\n1,خالد\n2,ليلى\n",
        "id,product,price\n1,حليب,5.90\n2,خبز,7.00\n3,شاي,2.50\n",
    ),
    "baltic": (
        "id,vardas,miestas\n1,Žydrūnas,Šiauliai\n2,Eglė,Panevėžys\n3,Jonas Čepaitis,Kėdainiai\n",
        "id,vārds,pilsēta\n1,Jānis Bērziņš,Rīga\n2,Pēteris,Jūrmala\n3,Līga,Cēsis\n",
        "id,nimi,linn\n1,Jüri,Põltsamaa\n2,Tõnu,Pärnu\n3,Õie,Jõgeva\n",
    ),
    "thai": (
        "id,name,city\n1,สมชาย,กรุงเทพ\n2,สุดา,เชียงใหม่\n3,วิชัย,ภูเก็ต\n",
        "id,ชื่อ\n1,มานี\n2,ปิติ\n",
        "id,product,price\n1,นม,25\n2,ข้าว,40\n3,น้ำ,10\n",
    ),
    "japanese": (
        "id,会社名\n1,山田商店\n2,東京電力\n3,佐藤工業\n",
        "番号,氏名,住所\n1,高橋一郎,東京都千代田区\n2,山崎花子,大阪府大阪市\n",
        "商品,価格\nりんご,100\nバナナ,200\nみかん,80\n",
        "id,name\n1,田中\n2,鈴木\n3,佐藤\n",
    ),
    "japanese of windows": (
        "id,会社名\n1,㈱山田商店\n2,㈱東京\n3,㈲佐藤\n",
        "番号,氏名,住所\n1,髙橋一郎,東京都千代田区\n2,山﨑花子,大阪府大阪市\n",
        "id,n\n1,髙橋\n2,㈱山田\n",
        "id,name\n1,ﾔﾏﾀﾞ ﾀﾛｳ\n2,ｽｽﾞｷ\n",
    ),
    "chinese": (
        "id,name\n1,张伟\n2,王芳\n3,李娜\n4,刘洋\n5,陈静\n6,杨勇\n7,赵敏\n8,黄磊\n9,周杰\n10,吴强\n11,徐丽\n12,孙军\n",
        "编号,姓名,城市\n1,王小明,北京市朝阳区\n2,李雷,上海\n3,韩梅梅,广州\n",
        "id,产品,价格\n1,牛奶,10\n2,面包,8\n3,苹果,6\n",
        "id,name\n1,张伟\n2,王芳\n3,李娜\n4,刘洋\n",
    ),
    "taiwanese": (
        "id,name\n1,陳大文\n2,林美玲\n3,黃志明\n",
        "編號,姓名,城市\n1,王小明,臺北市信義區\n2,李雷,高雄\n",
        "id,產品,價格\n1,牛奶,10\n2,麵包,8\n3,蘋果,6\n",
    ),
    "korean": (
        "id,name,city\n1,홍길동,서울특별시\n2,김철수,부산\n3,이영희,대구\n",
        "번호,이름\n1,박지성\n2,최민수\n",
        "id,제품,가격\n1,우유,10\n2,빵,8\n3,사과,6\n",
    ),
}
_LANGUAGES: Final = {
    "utf-8": (
        "western",
        "nordic",
        "central",
        "russian",
        "ukrainian",
        "greek",
        "turkish",
        "hebrew",
        "arabic",
        "baltic",
        "thai",
        "japanese",
        "japanese of windows",
        "chinese",
        "taiwanese",
        "korean",
    ),
    "utf-8-sig": ("central", "thai"),
    "utf-16": ("japanese", "arabic"),
    "utf-32": ("chinese",),
    "utf-7": ("western", "chinese"),
    "hz": ("chinese",),
    "iso2022_jp": ("japanese",),
    "iso2022_kr": ("korean",),
    "cp1252": ("western", "nordic"),
    "iso8859_15": ("western", "nordic"),
    "cp1250": ("central",),
    "iso8859_2": ("central",),
    "cp1251": ("russian", "ukrainian"),
    "koi8_r": ("russian",),
    "koi8_u": ("ukrainian",),
    "iso8859_5": ("russian",),
    "cp866": ("russian",),
    "mac_cyrillic": ("russian",),
    "cp1253": ("greek",),
    "iso8859_7": ("greek",),
    "cp737": ("greek",),
    "cp1254": ("turkish",),
    "iso8859_9": ("turkish",),
    "cp857": ("turkish",),
    "cp1255": ("hebrew",),
    "iso8859_8": ("hebrew",),
    "cp862": ("hebrew",),
    "cp1256": ("arabic",),
    "iso8859_6": ("arabic",),
    "cp1257": ("baltic",),
    "iso8859_13": ("baltic",),
    "cp874": ("thai",),
    "cp932": ("japanese", "japanese of windows"),
    "euc_jp": ("japanese",),
    "gb18030": ("chinese",),
    "big5": ("taiwanese",),
    "cp949": ("korean",),
    "mac_roman": ("western",),
    "cp850": ("western", "nordic"),
    "cp852": ("central",),
    "cp437": ("western",),
    "mac_latin2": ("central",),
    "mac_turkish": ("turkish",),
    "mac_greek": ("greek",),
    "cp775": ("baltic",),
    "cp861": ("nordic",),
    "cp865": ("nordic",),
}
# What cannot be right for certain, by how many of the files of that encoding are not: the right one is told beside
# another, or the file is refused.
_NOT_CERTAIN: Final = {
    "cp1255": 1,
    "cp775": 2,
    "cp861": 2,
    "cp865": 1,
    "mac_greek": 2, "cp850": 2, "cp862": 1, "cp874": 1, "iso8859_2": 1, "iso8859_8": 1, "mac_cyrillic": 1,
}  # fmt: skip


@pytest.mark.parametrize("codec", _LANGUAGES)
def test_small_files_are_read_rightly_or_the_right_encoding_is_told(tmp_path: Path, codec: str) -> None:
    not_certain = 0
    for language in _LANGUAGES[codec]:
        for text in _FILES[language]:
            path = tmp_path / "input.csv"
            content = text.encode(codec, errors="ignore")
            text = content.decode(codec)
            path.write_bytes(content)
            try:
                looked = scan(path)
                encoding = decide(looked)
            except UnreadableFile:
                not_certain += 1
                continue
            content = content[looked.mark :]
            if content.decode(encoding.codec, errors="replace") != text:
                readings = [content.decode(each, errors="replace") for each in encoding.others]
                assert text in readings, (encoding, content.decode(encoding.codec, errors="replace"))
                not_certain += 1
    assert not_certain == _NOT_CERTAIN.get(codec, 0)
