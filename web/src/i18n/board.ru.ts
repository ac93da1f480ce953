import { counted } from "./plural";

const marks = counted("ru", { one: "элемент", few: "элемента", many: "элементов", other: "элемента" });

/** Слова о досках. */
export const boardWords = {
  board: {
    tool: "Доска",
    toolHelp: "Рисуйте и пишите для всех; решайте, кто рисует вместе с вами",
    title: "Доски",
    make: "Новая доска",
    none: "Досок пока нет. Новая сразу появится у всех.",
    nameOf: (number: number) => `Доска ${number}`,
    name: "Название доски",
    saveName: "Сохранить",
    rename: (name: string) => `Переименовать: ${name}`,
    show: "Показать",
    hide: "Скрыть",
    isShown: "Сейчас видна всем",
    marks: (count: number) => (count === 0 ? "пустая" : marks(count)),
    remove: (name: string) => `Удалить: ${name}`,
    removeAsk: "Доска исчезнет вместе со всем, что на ней.",
    removeYes: "Удалить доску",
    clear: "Очистить доску",
    clearAsk: "Всё, что на ней, исчезнет у всех и не вернётся.",
    all: "Все доски одним файлом",
    who: "Кто рисует",
    whoNote: "Вы можете всегда. Ученики меняют только то, что нарисовали сами.",
    everybody: "Все ученики",
    view: "Вид доски",
    picture: (name: string, count: number, words: string) =>
      `${name === "" ? "Доска" : name}: ${count === 0 ? "пустая" : marks(count)}${words === "" ? "" : `. Написано: ${words}`}`,
    inkPicture: (count: number) => `Нарисовано на странице: ${marks(count)}`,
    larger: "Крупнее",
    smaller: "Мельче",
    whole: "Вся доска",
    save: "Сохранить доску",
    savePng: "Картинкой (PNG)",
    savePdf: "В PDF",
    saveFailed: "Не удалось сохранить доску. Попробуйте ещё раз.",
    laser: "Лазерная указка",
    youMay: "Вы можете рисовать на доске.",
    notLoaded: "Инструменты рисования не загрузились.",
    again: "Ещё раз",
    inkOn: "Рисовать на странице",
    inkOff: "Больше не рисовать",
  },
};
